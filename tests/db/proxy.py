"""A proxy before a PostgreSQL server that loses what it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from orderwatch.core.database_location import PostgresServer


class Proxy:
    """Passes bytes between a client and the server; loses them on demand."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._clients: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        """How many answers to COMMIT it still loses, with their connections."""
        self.drops = 0
        """How many times it still loses COMMIT itself, with its connection."""
        self.is_away_after_cut = False
        self.is_silent = False
        self._is_away = False

    async def on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_away:
            writer.close()
            return
        up, upstream = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {"answer": writer}
        self._clients.add(writer)
        down = asyncio.create_task(self._answers(up, writer, ends))
        try:
            while sent := await reader.read(65536):
                if self.is_silent:
                    continue
                if b"COMMIT;" in sent and self.drops:
                    self.drops -= 1
                    break
                if b"COMMIT;" in sent and self.cuts:
                    self.cuts -= 1
                    self._is_away = self.is_away_after_cut
                    ends.clear()
                upstream.write(sent)
        finally:
            upstream.close()
            writer.close()
            await down
            self._clients.discard(writer)

    async def _answers(
        self, up: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: dict[str, asyncio.StreamWriter]
    ) -> None:
        while received := await up.read(65536):
            if not ends:  # the server has committed
                break
            if not self.is_silent:
                writer.write(received)
        writer.close()


@asynccontextmanager
async def before(server: PostgresServer) -> AsyncIterator[tuple[Proxy, PostgresServer]]:
    """Run a proxy; returns it with the location that leads through it."""
    proxy = Proxy(server.port)
    listener = await asyncio.start_server(proxy.on_client, "127.0.0.1", 0)
    yield proxy, replace(server, port=listener.sockets[0].getsockname()[1])
    listener.close()
