"""Who may act over HTTP: only who sends the token on purpose, never a page of another origin."""

import hashlib
import hmac
from dataclasses import dataclass

from aiohttp import hdrs, web

from orderwatch.core.formatting import printable
from orderwatch.web.server.access_control import GUARD, basic_user

KEY_HEADER = "X-Orderwatch-Action"
_MAX_NAME_CHARACTERS = 80
_SAFE_SITES = {None, "same-origin"}  # of `Sec-Fetch-Site`; programs send none


class NotAllowedError(Exception):
    """The request may not act; the text says why."""


def action_key(token: str) -> str:
    """Returns what our page sends with an action; it can only be read with the token."""
    return hmac.new(token.encode(), b"orderwatch actions", hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class ShownActions:
    """Whether pages show buttons instead of commands, and the key that these send."""

    allowed: bool
    key: str


def shown_actions(request: web.Request) -> ShownActions:
    """Returns what a page may offer."""
    guard = request.app[GUARD]
    return ShownActions(guard.acts, action_key(guard.token) if guard.acts else "")


def require_allowed(request: web.Request) -> None:
    """Raises `NotAllowedError` unless the request may act.

    The server has already checked `Host`, `Origin` and the token. A browser adds a Basic password by itself,
    so such a request needs the key from our page too.
    """
    guard = request.app[GUARD]
    if not guard.acts:
        raise NotAllowedError("actions are disabled; to enable them set actions = true and a token in [http]")
    if request.headers.get("Sec-Fetch-Site") not in _SAFE_SITES:
        raise NotAllowedError("requests of other sites are rejected")
    if guard.is_bearer(request.headers.get(hdrs.AUTHORIZATION, "")):
        return
    given = request.headers.get(KEY_HEADER, "").encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(given, action_key(guard.token).encode()):
        raise NotAllowedError(f"send the token as Authorization: Bearer, or the page's key as {KEY_HEADER}")


def actor_of(request: web.Request) -> str:
    """Returns who acts, for log and history: the name that the reverse proxy or the browser sends, if any."""
    guard = request.app[GUARD]
    name = request.headers.get(guard.user_header, "") if guard.user_header else ""
    name = name or basic_user(request.headers.get(hdrs.AUTHORIZATION, ""))
    where = request.remote or "the socket file"
    who = printable(name.strip())[:_MAX_NAME_CHARACTERS]
    return f"{who}@{where} (HTTP)" if who else f"{where} (HTTP)"
