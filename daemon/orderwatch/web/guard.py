"""Who may ask: pages of other sites cannot, not even by a name of theirs that leads here."""

import ipaddress
import re
import socket

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Guard:
    """Of a server that listens on this host. One that listens everywhere has every address, but no name."""

    def __init__(self, host: str) -> None:
        self._names = _LOOPBACK | {host.lower()}
        self._everywhere = _address(host) is not None and ipaddress.ip_address(host).is_unspecified
        if self._everywhere:
            self._names.add(socket.gethostname().lower())

    def knows(self, host: str) -> bool:
        """Whether the `Host` header means this server."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].strip("[]").lower()
        return name in self._names or (self._everywhere and _address(name) is not None)

    @staticmethod
    def same(origin: str, host: str) -> bool:
        """Whether the `Origin` is the server that was asked."""
        scheme, _, whence = origin.lower().partition("://")
        return scheme in {"http", "https"} and whence == host.lower()


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
