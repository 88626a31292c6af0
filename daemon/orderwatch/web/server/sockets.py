"""Opens the listening socket: a port, or a socket file that is removed at the end."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

from orderwatch.core.listen_address import host_and_port, socket_of

_SOCKET_MODE = 0o660
_BACKLOG = 16  # of connections not accepted yet


@asynccontextmanager
async def open_socket(listen: str, connected: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    """Accepts connections; yields the port, 0 for a socket file. Raises `OSError` if it cannot listen."""
    loop = asyncio.get_running_loop()
    path = socket_of(listen)
    if path is None:
        host, port = host_and_port(listen)
        with closing(await loop.create_server(connected, host, port, backlog=_BACKLOG)) as server:
            yield server.sockets[0].getsockname()[1]
    else:
        with (
            _socket_file(Path(path)) as bound,
            closing(await loop.create_unix_server(connected, sock=bound, backlog=_BACKLOG)),
        ):
            yield 0


@contextmanager
def _socket_file(path: Path) -> Iterator[socket.socket]:
    """Makes a socket file for owner and group, and removes it at the end unless it was replaced."""
    _clear(path)
    with _unix_socket() as bound:
        bound.bind(str(path))
        ours = _identity(path)
        try:
            _let_in_group(path)  # before it listens
            yield bound
        finally:
            with suppress(OSError):
                if _identity(path) == ours:
                    path.unlink()


def _clear(path: Path) -> None:
    """Removes a stale socket file; `OSError` if a server uses it, or it is another file."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    with _unix_socket() as caller:
        refusal = caller.connect_ex(str(path))
    if refusal != errno.ECONNREFUSED:
        number = errno.EADDRINUSE if refusal in {0, errno.EAGAIN} else refusal
        raise OSError(number, os.strerror(number))
    path.unlink()


def _let_in_group(path: Path) -> None:
    """Sets the mode whatever the umask is, without following a link that replaced the file."""
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        if not stat.S_ISSOCK(os.fstat(handle).st_mode):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        Path(f"/proc/self/fd/{handle}").chmod(_SOCKET_MODE)
    finally:
        os.close(handle)


def _unix_socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(0)  # never blocks
    return made


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
