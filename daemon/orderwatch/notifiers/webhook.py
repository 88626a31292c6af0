"""Sends notifications as a signed POST, as specified by https://www.standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from orderwatch.core.network import DIRECT, Network
from orderwatch.core.notifications.notification import OutboxItem
from orderwatch.errors import NotifyError
from orderwatch.notifiers.http import Web, open_web
from orderwatch.notifiers.payload import body_of, id_of

_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Both are read for every request; without a secret the URL is the key."""

    read_url: Callable[[], str]
    read_secret: Callable[[], str] | None = None
    allow_private: bool = False
    network: Network = DIRECT


class Webhook:
    def __init__(self, web: Web, read_key: Callable[[], str], now: Callable[[], datetime]) -> None:
        self._web = web
        self._read_key = read_key
        self._now = now

    async def send(self, items: Sequence[OutboxItem]) -> None:
        body, sent_id, at = body_of(items), id_of(items), str(int(self._now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": sent_id,
            "webhook-timestamp": at,
            "webhook-signature": signature(key_of(self._read_key()), sent_id, at, body),
        }
        await self._web.post(body, headers)


def signature(key: bytes, sent_id: str, at: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of ID, Unix time and body, joined by dots."""
    signed = hmac.digest(key, b".".join((sent_id.encode(), at.encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


def key_of(secret: str) -> bytes:
    """Return the bytes of a secret: Base64 after `whsec_`, else its text. Raises `NotifyError`."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise NotifyError("the secret must be Base64 after whsec_") from None


@asynccontextmanager
async def connect(settings: Settings, now: Callable[[], datetime]) -> AsyncIterator[Webhook]:
    async with open_web(settings.read_url, settings.network, allow_private=settings.allow_private) as web:
        yield Webhook(web, settings.read_secret or settings.read_url, now)
