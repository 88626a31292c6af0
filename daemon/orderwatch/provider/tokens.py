"""Access tokens: one per audience, in memory only, asked for by one caller at a time."""

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
from orderwatch.provider.rate_limiter import RateLimiter
from orderwatch.provider.transport import OversizeError, TimeoutReplyError, TroubleError, exchange, metered

DEFAULT_LIFE = 3600.0  # s, where the answer does not say
LONGEST_LIFE = 86400.0  # s, as documented
REFRESH_AT = 0.8  # of the life
PATIENCE = 60.0  # s between attempts to refresh a token that is still good
EARLY = 1800.0  # s before its end that it is worth a warning; with less to go the account will say it

_HEADER_SAFE = re.compile(r"[!-~]+")
_REFUSED = frozenset({400, 401, 403, 404})

log = structlog.get_logger()


class _Minted(NamedTuple):
    """`life` in seconds."""

    token: str
    life: float
    scope: tuple[str, ...] | None


@dataclass(slots=True)
class _Slot:
    """The token of one audience, and what came of asking for it last."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str | None = None
    refresh_at: float = 0.0
    ends_at: float = 0.0
    scope: tuple[str, ...] | None = None
    asked: int = 0
    failing: bool = False
    failure: ProviderError = field(default_factory=lambda: TroubleError("token: dropped"))

    def usable(self, now: float) -> str | None:
        return self.token if now < self.ends_at else None

    def fresh(self, now: float) -> str | None:
        return self.usable(now) if now < self.refresh_at else None


class Tokens:
    """Tokens of one account's credentials. Raises `RefusedError` where the credentials are wrong."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        access: Credentials,
        pacer: RateLimiter,
        *,
        learn_secret: Callable[[str], None],
        monotonic: Callable[[], float],
        meter: Meter = UNMETERED,
    ) -> None:
        self._session = session
        self._access = access
        self._pacer = pacer
        self._learn_secret = learn_secret
        self._monotonic = monotonic
        self._meter = meter
        self._slots: defaultdict[str, _Slot] = defaultdict(_Slot)

    async def get(self, audience: str) -> str:
        slot = self._slots[audience]
        if token := slot.fresh(self._monotonic()):
            return token
        asked = slot.asked
        async with slot.lock:
            if slot.asked == asked:  # else somebody asked while we waited; share what came of it
                await self._renew(slot, audience)
            if token := slot.usable(self._monotonic()):
                return token
            raise slot.failure

    async def scope(self, audience: str) -> tuple[str, ...] | None:
        """What a token for this audience may do, in the provider's words; None where it does not say."""
        await self.get(audience)
        return self._slots[audience].scope

    def invalidate(self, audience: str, token: str) -> None:
        """Drop a token that was refused; a newer one stays."""
        slot = self._slots[audience]
        if slot.token == token:
            slot.token = None
            slot.failure = TroubleError("token: dropped")

    async def _renew(self, slot: _Slot, audience: str) -> None:
        now = self._monotonic()
        try:
            minted = await self._mint(audience)
        except ProviderError as error:
            slot.failure = _small(error)
            slot.refresh_at = self._monotonic() + PATIENCE
            self._tell(slot, audience, error)
        else:
            slot.token, slot.scope = minted.token, minted.scope
            slot.refresh_at, slot.ends_at = now + REFRESH_AT * minted.life, now + minted.life
            log.debug("token.minted", account=self._access.name, audience=audience, life_s=minted.life)
            self._tell(slot, audience, None)
        slot.asked += 1

    def _tell(self, slot: _Slot, audience: str, error: ProviderError | None) -> None:
        """Say once, in good time, that a token in use cannot be refreshed, and once that it can again."""
        if error and not slot.failing and slot.usable(self._monotonic() + EARLY):
            slot.failing = True
            log.warning(
                "token.refresh_failed", account=self._access.name, audience=audience, reason=str(error)
            )
        elif not error and slot.failing:
            slot.failing = False
            log.info("token.refresh_restored", account=self._access.name, audience=audience)

    async def _mint(self, audience: str) -> _Minted:
        url = URL(self._access.token_url)
        host = url.host or ""
        await self._pacer.turn(host, "token")
        document = {
            "client_id": self._access.client_id,
            "client_secret": self._access.read_secret(),
            "audience": audience,
            "grant_type": "client_credentials",
        }
        asking = exchange(self._session, "POST", url, name="token", document=document)
        reply = await metered(self._meter, "token", asking)
        self._pacer.told(host, overloaded=reply.is_overload, wait=reply.retry_after or 0.0)
        if reply.status in _REFUSED:
            raise RefusedError(
                f"token: {reply.status}: check client_id, client_secret and the token endpoint"
            )
        reply.must_be_fine()
        minted = _read(reply.json())
        self._learn_secret(minted.token)
        return minted


def _small(error: ProviderError) -> ProviderError:
    """The same trouble, which is not for the size of what is asked for next."""
    match error:
        case TimeoutReplyError():
            return TroubleError(str(error), wait=error.wait)
        case OversizeError():
            return AnswerError(str(error))
        case _:
            return error


def _read(document: object) -> _Minted:
    match document:
        case {"access_token": str(token), **rest} if _HEADER_SAFE.fullmatch(token):
            return _Minted(token, _life(rest.get("expires_in")), _scope(rest.get("scope")))
        case _:
            raise AnswerError("token: the answer holds no access_token")


def _scope(value: object) -> tuple[str, ...] | None:
    """An empty scope says nothing either: whoever has none gets no token."""
    return (tuple(value.split()) or None) if isinstance(value, str) else None


def _life(value: object) -> float:
    """Seconds a token lives; what is no sensible number gets a cautious one."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) and value is not True else 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    if not math.isfinite(seconds) or seconds <= 0:
        return DEFAULT_LIFE
    return min(max(seconds, 1.0), LONGEST_LIFE)
