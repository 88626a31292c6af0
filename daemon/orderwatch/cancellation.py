"""No cancellation leaves work half-way: it runs in a task of its own, and whoever is cancelled waits for it.

A cancelled SQLAlchemy + aiosqlite statement leaves the file locked, and a cancelled transaction may have
committed; a cancelled thread goes on writing while somebody else begins anew.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

A = ParamSpec("A")
R = TypeVar("R")


async def shielded(work: Coroutine[Any, Any, R], hurry: Callable[[], None] | None = None) -> R:
    """Await the work to its end; `hurry` tells it that nobody wants its result any more."""
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
            task.exception()  # seen; the caller is gone
        raise


def unit(method: Callable[A, Coroutine[Any, Any, R]]) -> Callable[A, Coroutine[Any, Any, R]]:
    """A method that is one unit of work."""

    @functools.wraps(method)
    async def run(*args: A.args, **kwargs: A.kwargs) -> R:
        return await shielded(method(*args, **kwargs))

    return run
