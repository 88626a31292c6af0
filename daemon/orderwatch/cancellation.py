"""Protects work from cancellation: it continues, and a cancelled caller waits for its end.

A cancelled caller cannot stop a thread: it keeps writing while the next one starts, and a transaction may
have committed.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

A = ParamSpec("A")
R = TypeVar("R")


async def shielded(work: Awaitable[R], hurry: Callable[[], None] | None = None) -> R:
    """Awaits the work to its end; `hurry` is called if the caller is cancelled, to end the work early."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if hurry is not None:
            hurry()
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue  # a second cancel waits as well; the first one is raised below
        if not task.cancelled():
            task.exception()  # retrieved; the caller is gone
        raise


def unit(method: Callable[A, Coroutine[Any, Any, R]]) -> Callable[A, Coroutine[Any, Any, R]]:
    """Decorates a method that must run to its end."""

    @functools.wraps(method)
    async def run(*args: A.args, **kwargs: A.kwargs) -> R:
        return await shielded(method(*args, **kwargs))

    return run
