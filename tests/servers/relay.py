"""A TCP relay in front of a server: ends one answer early, counts what it sends, and reports progress."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass


@dataclass
class Relay:
    """Cuts the first answer of the next connection after `cut` bytes of its body.

    With `cut_raw` it cuts the connection after that many bytes, whatever they are. `then` is called once,
    after `at` bytes of all answers.
    """

    server_port: int
    port: int = 0
    cut: int | None = None
    cut_raw: int | None = None  # of TLS
    at: int = 0
    then: Callable[[], None] | None = None
    sent: int = 0  # bytes to the client, heads too
    open: int = 0  # connections

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with closing(writer), suppress(ConnectionRefusedError):  # the server has stopped
                there = await asyncio.open_connection("127.0.0.1", self.server_port)
                with closing(there[1]):
                    await _until_one_ends(
                        self._pass_requests(reader, there[1]), self._pass_answers(there[0], writer)
                    )
        finally:
            self.open -= 1

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut_raw is not None:
            left, self.cut_raw = self.cut_raw, None
            while left and (chunk := await reader.read(left)):
                left -= len(chunk)
                await self._send(writer, chunk)
            return
        if self.cut is not None:
            upto, self.cut = self.cut, None
            head = await reader.readuntil(b"\r\n\r\n")
            await self._send(writer, head + await reader.readexactly(upto))
            return
        while chunk := await reader.read(2**16):
            await self._send(writer, chunk)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)
        if self.then is not None and self.sent >= self.at:
            then, self.then = self.then, None
            then()


async def _until_one_ends(*directions: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.create_task(each) for each in directions]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        # One of the two sides hung up, or the other direction ended.
        assert end is None or isinstance(end, OSError | EOFError | asyncio.CancelledError)


@asynccontextmanager
async def relay(server_port: int, cut: int | None = None) -> AsyncIterator[Relay]:
    passing = Relay(server_port, cut=cut)
    server = await asyncio.start_server(passing.handle, "127.0.0.1", 0)
    passing.port = server.sockets[0].getsockname()[1]
    try:
        yield passing
    finally:
        server.close()
        while passing.open:
            await asyncio.sleep(0.01)
