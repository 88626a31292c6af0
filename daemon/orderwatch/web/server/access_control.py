"""Access control: rejects requests of other sites, even by DNS rebinding, and without the token."""

import base64
import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class AccessControl:
    """The names that the server at `host` accepts; one that listens everywhere accepts every address.

    `hosts` are additional names, e.g. a reverse proxy's; every request needs the `token`, if there is one.
    """

    def __init__(self, host: str, hosts: Iterable[str] = (), token: str = "") -> None:
        self._token = token.encode()
        self._names = _LOOPBACK | {host.lower()} | {name.lower() for name in hosts}
        self._everywhere = _address(host) is not None and ipaddress.ip_address(host).is_unspecified
        if self._everywhere:
            self._names.add(socket.gethostname().lower())

    def knows(self, host: str) -> bool:
        """Returns whether the `Host` header names this server."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].strip("[]").lower()
        return name in self._names or (self._everywhere and _address(name) is not None)

    def admits(self, authorization: str) -> bool:
        """Returns whether `Authorization` has the token, as a bearer's or as any user's password."""
        scheme, _, given = authorization.partition(" ")
        shown = given.strip().encode("utf-8", "surrogateescape")
        if scheme.lower() == "basic":
            try:
                shown = base64.b64decode(shown, validate=True).partition(b":")[2]
            except ValueError:
                shown = b""
        elif scheme.lower() != "bearer":
            shown = b""
        return not self._token or hmac.compare_digest(shown, self._token)

    @staticmethod
    def same(origin: str, host: str) -> bool:
        """Returns whether the `Origin` is the requested server."""
        scheme, _, whence = origin.lower().partition("://")
        return scheme in {"http", "https"} and whence == host.lower()


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
