"""The one way to the provider's APIs: auth, pace, pause, retry, and what an answer means."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus

import aiohttp
import structlog
from yarl import URL

from orderwatch.core.log_throttle import LogThrottle, is_due
from orderwatch.errors import AnswerError, RefusedError
from orderwatch.ports import UNMETERED, Meter
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.page_limits import PageLimits
from orderwatch.provider.placing import must_be_done, quoted, send_once
from orderwatch.provider.rate_limiter import LONGEST_WAIT, RateLimiter
from orderwatch.provider.tokens import Tokens
from orderwatch.provider.transport import CutError, DisconnectedError, Reply, TroubleError, exchange, metered

TRIES = 3
BACKOFF_FIRST = 1.0  # s
BACKOFF_SLOWEST = 20.0  # s

Ask = Callable[[URL, str, Mapping[str, str]], Awaitable[Reply]]
"""Sends to this URL, under this name, with these headers."""

_API_AUDIENCE = "https://api.satellogic.com/"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Api:
    """How one of the provider's APIs wants to be spoken to."""

    name: str
    audience: str
    token_header: str
    wants_contract: bool


ACCOUNTS = Api("accounts", "api", "Authorization", wants_contract=False)
CONTRACTS = Api("contracts", _API_AUDIENCE, "authorizationToken", wants_contract=False)
TASKING = Api("tasking", _API_AUDIENCE, "authorizationToken", wants_contract=True)
TELLURIC = Api("telluric", _API_AUDIENCE, "authorizationToken", wants_contract=True)


class HttpClient:
    """Requests of one account. `explain` puts a refusal in words, by asking what the credentials have."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        access: Credentials,
        tokens: Tokens,
        pacer: RateLimiter,
        *,
        lists: PageLimits,
        explain: Callable[["HttpClient"], Awaitable[str]],
        heard: Callable[[datetime], None],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[object]],
        meter: Meter = UNMETERED,
    ) -> None:
        self.access = access
        self.lists = lists
        self.date: datetime | None = None  # the provider's time of day, as the last answer showed it
        self.down = False  # the last request was given up: until one succeeds, each is a single probe
        self._session = session
        self._tokens = tokens
        self._pacer = pacer
        self._explain = explain
        self._heard = heard
        self._rng = rng
        self._sleep = sleep
        self._meter = meter
        self._retried = LogThrottle()

    def url(self, api: Api, path: str, **query: str | int) -> URL:
        base = self.access.accounts_url if api is ACCOUNTS else self.access.api_url
        return URL(base.rstrip("/") + path).with_query(query)

    async def request(self, api: Api, url: URL, name: str) -> Reply:
        """GET `url` and return a 2xx answer, after at most three tries. Raises `ProviderError`.

        `name` stands for the request in every error and log; the URL itself never does.
        """
        self._must_be_ours(api, url, name)
        tries, may_reconnect = 0, True
        while True:
            try:
                reply = await self._try(api, url, name)
            except (TroubleError, CutError) as error:
                if may_reconnect and isinstance(error, DisconnectedError):
                    may_reconnect = False
                    continue
                tries += 1
                if tries == TRIES or self.down or self._pacer.held > LONGEST_WAIT:
                    self.down = isinstance(error, TroubleError)
                    raise
                self._say_retrying(tries, str(error))
                if not self._pacer.held:
                    await self._back_off(tries)
            else:
                self.down = False
                self._retried.over(None)
                return reply

    async def send(self, api: Api, method: str, url: URL, name: str, document: Mapping[str, object]) -> Reply:
        """Send `document` and return a 2xx answer. Never tried again, but where the token was refused.

        `UnclearError` where it may have been done; `RejectedError` and `MissingError` carry the provider's
        words. Any other `ProviderError` means that nothing was done.
        """
        self._must_be_ours(api, url, name)
        reply = await self._admitted(api, url, name, partial(send_once, method, document))
        must_be_done(reply)
        return reply

    async def scope(self, api: Api) -> tuple[str, ...] | None:
        """What the token for this API may do, in the provider's words; None where it does not say."""
        return await self._tokens.scope(api.audience)

    def _must_be_ours(self, api: Api, url: URL, name: str) -> None:
        """Credentials go to the account's own endpoints, whatever a `next` says."""
        ours = self.url(api, "/")
        if url.user is not None or (url.scheme, url.host, url.port) != (ours.scheme, ours.host, ours.port):
            raise AnswerError(f"{name}: the answer points to another host")

    def _say_retrying(self, tries: int, reason: str) -> None:
        repeats = self._retried.again(None)
        if is_due(repeats):
            account = self.access.name
            log.debug("provider.retrying", account=account, tries=tries, repeats=repeats, reason=reason)

    async def _back_off(self, tries: int) -> None:
        ceiling = min(BACKOFF_SLOWEST, BACKOFF_FIRST * 2.0 ** (tries - 1))
        await self._sleep(self._rng.uniform(0.0, ceiling))

    async def _try(self, api: Api, url: URL, name: str) -> Reply:
        reply = await self._admitted(api, url, name, self._get)
        reply.must_be_fine()
        return reply

    async def _admitted(self, api: Api, url: URL, name: str, ask: Ask) -> Reply:
        """One try; a refused token gets one successor."""
        reply, token = await self._send(api, url, name, ask)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            self._tokens.invalidate(api.audience, token)
            reply, _ = await self._send(api, url, name, ask)
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise RefusedError(f"{name}: {reply.status}: {await self._reason(api)}{quoted(reply)}")
        return reply

    async def _reason(self, api: Api) -> str:
        # The APIs that `explain` asks want no contract, so a refusal of theirs ends here.
        if api.wants_contract and self.access.credentials == "platform":
            return await self._explain(self)
        return "the credentials are refused; check client_id and client_secret"

    async def _get(self, url: URL, name: str, headers: Mapping[str, str]) -> Reply:
        return await exchange(self._session, "GET", url, name=name, headers=headers)

    async def _send(self, api: Api, url: URL, name: str, ask: Ask) -> tuple[Reply, str]:
        token = await self._tokens.get(api.audience)
        host = url.host or ""
        await self._pacer.turn(host, name)
        reply = await metered(self._meter, api.name, ask(url, name, self._headers(api, token)))
        self.date = reply.date
        if reply.date is not None:
            self._heard(reply.date)
        self._pacer.told(host, overloaded=reply.is_overload, wait=reply.retry_after or 0.0)
        return reply, token

    def _headers(self, api: Api, token: str) -> dict[str, str]:
        headers = {api.token_header: f"Bearer {token}"}
        if api.wants_contract and self.access.credentials == "platform" and self.access.contract_id:
            headers["X-Satellogic-Contract-Id"] = self.access.contract_id
        return headers
