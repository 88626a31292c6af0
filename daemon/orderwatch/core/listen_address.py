"""What `[http] listen` says: "host:port", or "unix:" and the path of a socket file."""

_UNIX = "unix:"
_LONGEST = 107  # bytes of a socket file's path; the system takes no more
_LAST_PORT = 65535


def socket_of(listen: str) -> str | None:
    """The path of the socket file; None where it is a port."""
    return listen.removeprefix(_UNIX) if listen.startswith(_UNIX) else None


def host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def listen_problem(listen: str) -> str | None:
    """What is wrong with it, as an end of "it …"."""
    path = socket_of(listen)
    if path is None:
        host, _, port = listen.rpartition(":")
        good = host and host.isprintable() and port.isdecimal() and int(port) <= _LAST_PORT
    elif good := path.startswith("/") and path.isprintable():
        size = len(path.encode())
        if size > _LONGEST:
            return f"has a path of {size} bytes, and a socket's has at most {_LONGEST}; choose a shorter one"
    return None if good else 'must be "host:port", "unix:/absolute/path", or "" for off'
