"""Access control: rejects requests of other sites, even by DNS rebinding, and without the token."""

import base64
import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable

from aiohttp import web

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class AccessControl:
    """The names that the server at `host` accepts; one that listens everywhere accepts every address.

    `hosts` are additional names, e.g. a reverse proxy's; every request needs the `token`, if there is one.
    With `actions` and a token, requests may act; with `files` they get stored files. `user_header` is where a
    reverse proxy names the user.
    """

    def __init__(
        self,
        host: str,
        hosts: Iterable[str] = (),
        token: str = "",
        *,
        actions: bool = False,
        files: bool = False,
        user_header: str = "",
    ) -> None:
        self.token = token
        self.acts = actions and bool(token)
        self.files = files
        self.user_header = user_header
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
            shown = _basic(shown)[1]
        elif scheme.lower() != "bearer":
            shown = b""
        return not self._token or hmac.compare_digest(shown, self._token)

    def is_bearer(self, authorization: str) -> bool:
        """Returns whether `Authorization` has the token as a bearer's, which no browser adds by itself."""
        return authorization.partition(" ")[0].lower() == "bearer" and self.admits(authorization)

    @staticmethod
    def same(origin: str, host: str) -> bool:
        """Returns whether the `Origin` is the requested server."""
        scheme, _, whence = origin.lower().partition("://")
        return scheme in {"http", "https"} and whence == host.lower()


def basic_user(authorization: str) -> str:
    """Returns the user's name of Basic credentials, empty without one."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    return _basic(given.strip().encode("utf-8", "surrogateescape"))[0].decode("utf-8", "replace")


def _basic(given: bytes) -> tuple[bytes, bytes]:
    """Returns user and password, empty if they are not valid."""
    try:
        user, _, password = base64.b64decode(given, validate=True).partition(b":")
    except ValueError:
        return b"", b""
    return user, password


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


GUARD = web.AppKey("guard", AccessControl)
