"""Our command, killed for good at its n-th step; `orderwatch N ARGUMENTS`."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

from orderwatch.cli import main
from orderwatch.db import orders
from orderwatch.db.intents import Intents
from orderwatch.db.orders import Orders
from orderwatch.provider.tasking import TaskingApi

_STEPS = (
    (Orders, "get"),
    *((Intents, name) for name in ("list_all", "add", "update", "settle")),
    (TaskingApi, "place"),
)


def killed_at() -> None:
    """Before each call to the store and the provider there is a step, which is after the call before it."""
    last, steps = int(sys.argv.pop(1)), count(1)

    def step() -> None:
        if next(steps) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in _STEPS:
        setattr(owner, name, _counted(getattr(owner, name), step))
    write = orders.write  # within the transaction that settles an intent

    def written(*args: Any) -> None:  # noqa: ANN401 - those of `write`
        step()
        write(*args)

    orders.write = written  # type: ignore[assignment]  # the same, with a step
    listing = TaskingApi.listing

    async def listed(self: TaskingApi) -> AsyncIterator[object]:
        step()
        async for page in listing(self):
            yield page

    TaskingApi.listing = listed  # type: ignore[assignment,method-assign]  # the same, with steps
    main()


def _counted(call: Callable[..., Awaitable[Any]], step: Callable[[], None]) -> Callable[..., Awaitable[Any]]:
    async def run(*args: object, **names: object) -> object:
        step()
        return await call(*args, **names)

    return run
