"""What is made of the same parts is one thing: made once, used by several, closed after the last of them."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Held:
    key: object
    thing: Any
    stack: AsyncExitStack
    users: int = 0


class ResourcePool:
    """Keys are compared, not hashed: the tables of a configuration are no hashable values."""

    def __init__(self) -> None:
        self._held: list[_Held] = []
        self._turn = asyncio.Lock()

    async def open(
        self, stack: AsyncExitStack, key: object, opening: Callable[[], AbstractAsyncContextManager[T]]
    ) -> T:
        """The thing of this key until `stack` ends, opened for its first user."""
        async with self._turn:
            held = next((held for held in self._held if held.key == key), None)
            if held is None:
                inner = AsyncExitStack()
                held = _Held(key, await inner.enter_async_context(opening()), inner)
                self._held.append(held)
            held.users += 1
        stack.push_async_callback(self._let_go, held)
        thing: T = held.thing
        return thing

    async def make(self, stack: AsyncExitStack, key: object, making: Callable[[], T]) -> T:
        """The same for what needs no closing."""
        return await self.open(stack, key, lambda: nullcontext(making()))

    async def _let_go(self, held: _Held) -> None:
        async with self._turn:
            held.users -= 1
            if held.users:
                return
            self._held.remove(held)
        await held.stack.aclose()
