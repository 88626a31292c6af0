"""An HTTP proxy of the tests, over real sockets: tunnels and absolute requests, with Basic authentication."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

from orderwatch.core.network import Proxy

PEER = "127.0.0.2"  # the address from which the proxy connects to hosts
USER, PASSWORD = "me@corp", "canary:p@ss/word"
_CREDENTIALS = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


@dataclass(frozen=True)
class Passed:
    """A request as the proxy received it; the names of the headers in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    status: int  # of the proxy's own answer; 0 = passed on


@dataclass
class ProxyServer:
    """Requires USER and PASSWORD. `names` are the ports on this machine of the hosts that it can resolve.

    With `status` it refuses everything with that, with `hangs` it answers nothing.
    """

    names: dict[str, int] = field(default_factory=dict)
    status: int = 0
    hangs: bool = False
    port: int = 0
    passed: list[Passed] = field(default_factory=list)

    @property
    def proxy(self) -> Proxy:
        return Proxy(host="127.0.0.1", port=self.port, user=USER, password=PASSWORD)

    @property
    def url(self) -> str:
        """The URL with credentials, as it is configured."""
        return f"http://me%40corp:canary%3Ap%40ss%2Fword@127.0.0.1:{self.port}"

    @property
    def targets(self) -> set[str]:
        """Host and port of each request that was passed on."""
        return {_place(each.target) for each in self.passed if not each.status}

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, EOFError):  # one of the two sides hung up
            await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n")
        line, *lines = head.split("\r\n")
        method, target, _ = line.split(" ")
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
        status = self.status or (0 if headers.get("proxy-authorization") == _CREDENTIALS else 407)
        host, _, port = _place(target).rpartition(":")
        self.passed.append(Passed(method, target, headers, status))
        if self.hangs:
            await reader.read()
            return
        if status:
            writer.write(
                f"HTTP/1.1 {status} No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()
            return
        at = self.names.get(host, int(port))
        there = await asyncio.open_connection("127.0.0.1", at, local_addr=(PEER, 0))
        with closing(there[1]):
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                there[1].write(_forwarded(method, target, lines))
            await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))


def _place(target: str) -> str:
    """Return host and port of a target, which is either those or a URL."""
    place = target.removeprefix("http://").split("/", 1)[0].split("?", 1)[0]
    return place if ":" in place else f"{place}:80"


def _forwarded(method: str, target: str, lines: list[str]) -> bytes:
    """Return the request for the host, over a connection for it alone and without our credentials."""
    path = "/" + target.removeprefix("http://").partition("/")[2]
    kept = [each for each in lines if not each.lower().startswith(("proxy-", "connection:"))]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode("latin-1")


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(2**16):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def proxy_server(**fields: object) -> AsyncIterator[ProxyServer]:
    there = ProxyServer(**fields)  # type: ignore[arg-type]  # of any field
    server = await asyncio.start_server(there.handle, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()
