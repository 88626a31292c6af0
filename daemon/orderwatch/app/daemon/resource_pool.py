"""Reference-counted pool: components with equal keys are created once and closed by their last user."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Entry:
    key: object
    component: Any
    stack: AsyncExitStack
    users: int = 0


class ResourcePool:
    """Keys are compared, not hashed: configuration tables are not hashable."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._turn = asyncio.Lock()

    async def open(
        self, stack: AsyncExitStack, key: object, opening: Callable[[], AbstractAsyncContextManager[T]]
    ) -> T:
        """Return the component of this key until `stack` ends; the first user opens it."""
        async with self._turn:
            entry = next((entry for entry in self._entries if entry.key == key), None)
            if entry is None:
                inner = AsyncExitStack()
                entry = _Entry(key, await inner.enter_async_context(opening()), inner)
                self._entries.append(entry)
            entry.users += 1
        stack.push_async_callback(self._release, entry)
        component: T = entry.component
        return component

    async def make(self, stack: AsyncExitStack, key: object, making: Callable[[], T]) -> T:
        """Return a component that needs no closing; the first user creates it."""
        return await self.open(stack, key, lambda: nullcontext(making()))

    async def _release(self, entry: _Entry) -> None:
        async with self._turn:
            entry.users -= 1
            if entry.users:
                return
            self._entries.remove(entry)
        await entry.stack.aclose()
