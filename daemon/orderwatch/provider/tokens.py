"""Access tokens: one per audience, in memory only, requested by one caller at a time."""

import asyncio
import math
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
import structlog
from yarl import URL

from orderwatch.errors import AnswerError, ProviderError, RefusedError
from orderwatch.ports import UNMETERED, Meter
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.rate_limiter import Limiter
from orderwatch.provider.transport import OversizeError, TimeoutReplyError, TransientError, exchange, metered

DEFAULT_LIFETIME_SECONDS = 3600.0  # if the response has none
MAX_LIFETIME_SECONDS = 86400.0  # as documented
REFRESH_AT_FRACTION = 0.8  # of the lifetime
REFRESH_RETRY_SECONDS = 60.0  # while the token is still valid
REJECT_PAUSE_SECONDS = 600.0  # between tokens that downloads reject: a refusal may concern the files
WARN_BEFORE_SECONDS = 1800.0  # with less left the account itself will fail soon and log it

_HEADER_SAFE = re.compile(r"[!-~]+")
_REFUSED = frozenset({400, 401, 403, 404})

log = structlog.get_logger()


class _NewToken(NamedTuple):
    """A token with its `lifetime` in seconds."""

    token: str
    lifetime: float
    scope: tuple[str, ...] | None


@dataclass(slots=True)
class _CachedToken:
    """The token of one audience, and the result of the last request for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str | None = None
    refresh_at: float = 0.0
    ends_at: float = 0.0
    scope: tuple[str, ...] | None = None
    rejected_at: float = -math.inf
    requests: int = 0
    failing: bool = False
    failure: ProviderError = field(default_factory=lambda: TransientError("token: dropped"))

    def usable(self, now: float) -> str | None:
        return self.token if now < self.ends_at else None

    def fresh(self, now: float) -> str | None:
        return self.usable(now) if now < self.refresh_at else None


class Tokens:
    """Tokens of one account. Raises `RefusedError` if the credentials are wrong."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        rate_limiter: Limiter,
        *,
        learn_secret: Callable[[str], None],
        monotonic: Callable[[], float],
        meter: Meter = UNMETERED,
    ) -> None:
        self._session = session
        self._credentials = credentials
        self._rate_limiter = rate_limiter
        self._learn_secret = learn_secret
        self._monotonic = monotonic
        self._meter = meter
        self._slots: defaultdict[str, _CachedToken] = defaultdict(_CachedToken)

    async def get(self, audience: str) -> str:
        slot = self._slots[audience]
        if token := slot.fresh(self._monotonic()):
            return token
        requests = slot.requests
        async with slot.lock:
            if slot.requests == requests:  # otherwise another caller has renewed it meanwhile
                await self._refresh(slot, audience)
            if token := slot.usable(self._monotonic()):
                return token
            raise slot.failure

    async def scope(self, audience: str) -> tuple[str, ...] | None:
        """Return the scope of a token for this audience, None if unknown."""
        await self.get(audience)
        return self._slots[audience].scope

    def invalidate(self, audience: str, token: str) -> None:
        """Drop a refused token; a newer one stays."""
        slot = self._slots[audience]
        if slot.token == token:
            slot.token = None
            slot.failure = TransientError("token: dropped")

    def reject(self, audience: str, token: str) -> None:
        """Drop a token that a download was refused with, unless another one was dropped so lately."""
        slot, now = self._slots[audience], self._monotonic()
        if slot.token == token and now >= slot.rejected_at + REJECT_PAUSE_SECONDS:
            slot.rejected_at = now
            self.invalidate(audience, token)

    async def _refresh(self, slot: _CachedToken, audience: str) -> None:
        now = self._monotonic()
        try:
            new = await self._request_token(audience)
        except ProviderError as error:
            slot.failure = _without_size(error)
            slot.refresh_at = self._monotonic() + REFRESH_RETRY_SECONDS
            self._log_refresh(slot, audience, error)
        else:
            slot.token, slot.scope = new.token, new.scope
            slot.refresh_at, slot.ends_at = now + REFRESH_AT_FRACTION * new.lifetime, now + new.lifetime
            log.debug("token.minted", account=self._credentials.name, audience=audience, life_s=new.lifetime)
            self._log_refresh(slot, audience, None)
        slot.requests += 1

    def _log_refresh(self, slot: _CachedToken, audience: str, error: ProviderError | None) -> None:
        """Log once, well before it expires, that a token cannot be refreshed, and once that it can again."""
        if error and not slot.failing and slot.usable(self._monotonic() + WARN_BEFORE_SECONDS):
            slot.failing = True
            log.warning(
                "token.refresh_failed", account=self._credentials.name, audience=audience, reason=str(error)
            )
        elif not error and slot.failing:
            slot.failing = False
            log.info("token.refresh_restored", account=self._credentials.name, audience=audience)

    async def _request_token(self, audience: str) -> _NewToken:
        if self._credentials.kind == "bearer":
            return self._given_token()
        url = URL(self._credentials.token_url)
        host = url.host or ""
        await self._rate_limiter.acquire(host, "token")
        document = {
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.read_secret(),
            "grant_type": "client_credentials",
            **({"audience": audience} if audience else {}),
        }
        request = exchange(self._session, "POST", url, name="token", document=document)
        reply = await metered(self._meter, "token", request)
        await self._rate_limiter.on_response(
            host, overloaded=reply.is_overload, wait=reply.retry_after or 0.0
        )
        if reply.status in _REFUSED:
            raise RefusedError(
                f"token: {reply.status}: check client_id, client_secret and the token endpoint"
            )
        reply.raise_for_status()
        new = _parse(reply.json())
        self._learn_secret(new.token)
        return new

    def _given_token(self) -> _NewToken:
        """Return the secret as the token; it is read again after a refusal, because it may be rotated."""
        token = self._credentials.read_secret()
        if not _HEADER_SAFE.fullmatch(token):
            raise RefusedError("token: client_secret is not a token")
        self._learn_secret(token)
        return _NewToken(token, DEFAULT_LIFETIME_SECONDS, None)


def _without_size(error: ProviderError) -> ProviderError:
    """Return the error as one that does not make the caller request smaller pages."""
    match error:
        case TimeoutReplyError():
            return TransientError(str(error), wait=error.wait)
        case OversizeError():
            return AnswerError(str(error))
        case _:
            return error


def _parse(document: object) -> _NewToken:
    match document:
        case {"access_token": str(token), **rest} if _HEADER_SAFE.fullmatch(token):
            return _NewToken(token, _lifetime(rest.get("expires_in")), _scope(rest.get("scope")))
        case _:
            raise AnswerError("token: the response has no access_token")


def _scope(value: object) -> tuple[str, ...] | None:
    """Return None for an empty scope too: credentials without a scope get no token."""
    return (tuple(value.split()) or None) if isinstance(value, str) else None


def _lifetime(value: object) -> float:
    """Return the lifetime in seconds, a cautious default if the value is invalid."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) and value is not True else 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    if not math.isfinite(seconds) or seconds <= 0:
        return DEFAULT_LIFETIME_SECONDS
    return min(max(seconds, 1.0), MAX_LIFETIME_SECONDS)
