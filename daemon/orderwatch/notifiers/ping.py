"""A GET of the URL of a dead man's switch."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from orderwatch.notifiers.web import Web, open_web


class Ping:
    def __init__(self, web: Web) -> None:
        self._web = web

    async def ping(self) -> None:
        await self._web.get()


@asynccontextmanager
async def connect(read_url: Callable[[], str], *, allow_private: bool) -> AsyncIterator[Ping]:
    async with open_web(read_url, allow_private=allow_private) as web:
        yield Ping(web)
