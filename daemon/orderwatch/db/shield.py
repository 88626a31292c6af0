"""No cancellation reaches the database in mid-statement.

A cancelled SQLAlchemy + aiosqlite statement leaves the file locked, and a cancelled transaction may have
committed: so each unit of work runs in a task of its own, and whoever is cancelled waits for it first.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

A = ParamSpec("A")
R = TypeVar("R")


async def shielded(work: Coroutine[Any, Any, R]) -> R:
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue  # a second cancel waits as well; the first one is raised below
        if not task.cancelled():
            task.exception()  # seen; the caller is gone
        raise


def unit(method: Callable[A, Coroutine[Any, Any, R]]) -> Callable[A, Coroutine[Any, Any, R]]:
    """A method that is one unit of work on the database."""

    @functools.wraps(method)
    async def run(*args: A.args, **kwargs: A.kwargs) -> R:
        return await shielded(method(*args, **kwargs))

    return run
