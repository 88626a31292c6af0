"""A route of the API listener: the request it answers, and the faults that may hit it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from orderwatch.simulator.faults import On
from orderwatch.simulator.state import Simulator

Answer = Callable[[Simulator, web.Request], Awaitable[web.Response]]


class Route(NamedTuple):
    method: str
    path: str
    on: On
    answer: Answer
