"""Parses `[http] listen`: "host:port", or "unix:" and the path of a socket file."""

_UNIX_PREFIX = "unix:"
_MAX_SOCKET_PATH_BYTES = 107  # the limit of Linux
_MAX_PORT = 65535


def socket_of(listen: str) -> str | None:
    """Returns the path of the socket file, None for a port."""
    return listen.removeprefix(_UNIX_PREFIX) if listen.startswith(_UNIX_PREFIX) else None


def host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def listen_problem(listen: str) -> str | None:
    """Returns what is wrong with it, as the end of a sentence; None if it is valid."""
    path = socket_of(listen)
    if path is None:
        host, _, port = listen.rpartition(":")
        good = host and host.isprintable() and port.isdecimal() and int(port) <= _MAX_PORT
    elif good := path.startswith("/") and path.isprintable():
        size = len(path.encode())
        if size > _MAX_SOCKET_PATH_BYTES:
            most = _MAX_SOCKET_PATH_BYTES
            return f"has a socket path of {size} bytes, more than {most}; choose a shorter one"
    return None if good else 'must be "host:port", "unix:/absolute/path", or "" for off'
