"""Where a web server listens, and what it answers to whoever knocks."""

import asyncio
import socket
from contextlib import closing


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
    return port


async def status(listen: str, token: str = "", host: str = "localhost", path: str = "/healthz") -> int:
    """What is answered there; 0 where nobody is."""
    if not listen:
        return 0
    try:
        if listen.startswith("unix:"):
            reader, writer = await asyncio.open_unix_connection(listen.removeprefix("unix:"))
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(listen.rpartition(":")[2]))
    except OSError:
        return 0
    with closing(writer):
        lines = f"Host: {host}\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return int((await reader.read()).split()[1])
