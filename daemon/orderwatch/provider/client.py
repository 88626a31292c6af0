"""Sends requests to the provider's APIs: authorization, rate limit, pauses, retries and errors."""

import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus

import aiohttp
import structlog
from yarl import URL

from orderwatch.core.log_throttle import LogThrottle, is_due
from orderwatch.core.network import Network
from orderwatch.errors import AnswerError, RefusedError
from orderwatch.ports import UNMETERED, Check, Meter
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.page_limits import PageLimits
from orderwatch.provider.placing import quote_refusal, raise_unless_done, send_once
from orderwatch.provider.rate_limiter import MAX_WAIT_SECONDS, Limiter
from orderwatch.provider.tokens import Tokens
from orderwatch.provider.transport import (
    DisconnectedError,
    Reply,
    TransientError,
    TruncatedError,
    exchange,
    metered,
)

MAX_TRIES = 3
BACKOFF_MIN_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 20.0

SendRequest = Callable[[URL, str, Mapping[str, str]], Awaitable[Reply]]
"""Sends a request to the URL with the headers; the name identifies it in errors and logs."""

_REDIRECTS = range(301, 309)
_API_AUDIENCE = "https://api.satellogic.com/"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Api:
    """How to authorize requests to one of the provider's APIs."""

    name: str
    audience: str | None  # of the token, empty if it needs none; None: requests carry no credentials
    token_header: str
    needs_contract: bool
    may_redirect: bool = False  # between paths with and without a final slash


ACCOUNTS = Api("accounts", "api", "Authorization", needs_contract=False)
CONTRACTS = Api("contracts", _API_AUDIENCE, "authorizationToken", needs_contract=False)
TASKING = Api("tasking", _API_AUDIENCE, "authorizationToken", needs_contract=True)
ARCHIVE = Api("archive", _API_AUDIENCE, "authorizationToken", needs_contract=True)
FOREIGN_ARCHIVE = Api("archive", None, "", needs_contract=False)
TELLURIC = Api("telluric", _API_AUDIENCE, "authorizationToken", needs_contract=True)
STAPI = Api("stapi", "", "Authorization", needs_contract=False, may_redirect=True)
ORDERS = Api("orders", _API_AUDIENCE, "authorizationToken", needs_contract=True, may_redirect=True)


class ForbiddenReplyError(RefusedError):
    """The provider answers 403, which may concern this request alone."""


class HttpClient:
    """Requests of one account. `explain` returns why the provider refuses the credentials."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: Credentials,
        tokens: Tokens,
        rate_limiter: Limiter,
        *,
        network: Network,
        page_limits: PageLimits,
        explain: Callable[["HttpClient"], Awaitable[str]],
        on_date: Callable[[datetime], None],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[object]],
        meter: Meter = UNMETERED,
    ) -> None:
        self.credentials = credentials
        self.page_limits = page_limits
        self.date: datetime | None = None  # the provider's time in the last response
        self.is_down = False  # the last request failed after all attempts: the next ones are tried once
        self._session = session
        self._network = network
        self._tokens = tokens
        self._rate_limiter = rate_limiter
        self._explain = explain
        self._on_date = on_date
        self._rng = rng
        self._sleep = sleep
        self._meter = meter
        self._retried = LogThrottle()

    def url(self, api: Api, path: str, **query: str | int) -> URL:
        return URL(self._base(api).rstrip("/") + path).with_query(query)

    def _base(self, api: Api) -> str:
        if api is FOREIGN_ARCHIVE:
            return self.credentials.archive_url
        return self.credentials.accounts_url if api is ACCOUNTS else self.credentials.api_url

    def is_own(self, url: URL) -> bool:
        """Return whether the URL is at the account's own API, which alone gets its credentials."""
        return _is_same_origin(url, URL(self.credentials.api_url))

    async def authorization(self, api: Api) -> Mapping[str, str]:
        """Return the headers that authorize requests, with a valid token. Raises `ProviderError`."""
        return {} if api.audience is None else self._headers(api, await self._tokens.get(api.audience))

    def reject_authorization(self, api: Api, headers: Mapping[str, str]) -> None:
        """Drop the token of headers that a download host refused."""
        if api.audience is not None:
            token = headers.get(api.token_header, "").removeprefix("Bearer ")
            self._tokens.reject(api.audience, token)

    async def request(
        self, api: Api, url: URL, name: str, document: Mapping[str, object] | None = None
    ) -> Reply:
        """GET `url` and return a 2xx response, with at most three attempts. Raises `ProviderError`.

        With a `document` it is a POST; it may be repeated, so it must change nothing. `name` identifies the
        request in errors and logs, which must not contain the URL.
        """
        self._check_endpoint(api, url, name)
        attempts, may_reconnect = 0, True
        while True:
            try:
                reply = await self._try(api, url, name, document)
            except (TransientError, TruncatedError) as error:
                if may_reconnect and isinstance(error, DisconnectedError):
                    may_reconnect = False
                    continue
                attempts += 1
                if attempts == MAX_TRIES or self.is_down or self._rate_limiter.pause_left > MAX_WAIT_SECONDS:
                    self.is_down = isinstance(error, TransientError)
                    raise
                self._log_retry(attempts, str(error))
                if not self._rate_limiter.pause_left:
                    await self._back_off(attempts)
            else:
                self.is_down = False
                self._retried.over(None)
                return reply

    async def send(
        self,
        api: Api,
        method: str,
        url: URL,
        name: str,
        document: Mapping[str, object] | None,
        *,
        unclear: Collection[int] = (),
        before_send: Check = bool,
    ) -> Reply:
        """Send `document` and return a 2xx response. Retried only if the token was refused.

        Raises `UnclearError` if the request may have taken effect, as after the statuses `unclear`;
        `RejectedError` and `MissingError` quote the provider. Any other `ProviderError` means that it had no
        effect. `before_send` runs when the connection is open; what it raises ends the call.
        """
        self._check_endpoint(api, url, name)
        send = partial(send_once, method, document, network=self._network, before_send=before_send)
        reply = await self._send_authorized(api, url, name, send)
        raise_unless_done(reply, unclear)
        return reply

    async def scope(self, api: Api) -> tuple[str, ...] | None:
        """Return the scope of the token for this API, None if unknown."""
        return None if api.audience is None else await self._tokens.scope(api.audience)

    def _check_endpoint(self, api: Api, url: URL, name: str) -> None:
        """Raise `AnswerError` unless the URL is the account's own endpoint, which alone gets credentials."""
        if not _is_same_origin(url, self.url(api, "/")):
            raise AnswerError(f"{name}: the response points to another host")

    def _log_retry(self, attempts: int, reason: str) -> None:
        repeats = self._retried.again(None)
        if is_due(repeats):
            account = self.credentials.name
            log.debug("provider.retrying", account=account, tries=attempts, repeats=repeats, reason=reason)

    async def _back_off(self, attempts: int) -> None:
        ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_MIN_SECONDS * 2.0 ** (attempts - 1))
        await self._sleep(self._rng.uniform(0.0, ceiling))

    async def _try(self, api: Api, url: URL, name: str, document: Mapping[str, object] | None) -> Reply:
        read = partial(self._read, document)
        reply = await self._send_authorized(api, url, name, read)
        if api.may_redirect and document is None and (target := _other_form(url, reply)):
            reply = await self._send_authorized(api, target, name, read)
        reply.raise_for_status()
        return reply

    async def _send_authorized(self, api: Api, url: URL, name: str, send: SendRequest) -> Reply:
        """Send once; if the token is refused, once more with a new token."""
        reply, token = await self._send(api, url, name, send)
        if reply.status == HTTPStatus.UNAUTHORIZED and api.audience is not None:
            self._tokens.invalidate(api.audience, token)
            reply, _ = await self._send(api, url, name, send)
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            kind = ForbiddenReplyError if reply.status == HTTPStatus.FORBIDDEN else RefusedError
            raise kind(f"{name}: {reply.status}: {await self._explain_refusal(api)}{quote_refusal(reply)}")
        return reply

    async def _explain_refusal(self, api: Api) -> str:
        if api.audience is None:
            return "the archive is at another host than the API, so it gets no credentials"
        # `explain` calls APIs without a contract, so this does not recurse.
        if api.needs_contract and self.credentials.kind == "platform":
            return await self._explain(self)
        return "the provider refuses the credentials; check client_id and client_secret"

    async def _read(
        self, document: Mapping[str, object] | None, url: URL, name: str, headers: Mapping[str, str]
    ) -> Reply:
        method = "GET" if document is None else "POST"
        return await exchange(self._session, method, url, name=name, headers=headers, document=document)

    async def _send(self, api: Api, url: URL, name: str, send: SendRequest) -> tuple[Reply, str]:
        token = "" if api.audience is None else await self._tokens.get(api.audience)
        host = url.host or ""
        await self._rate_limiter.acquire(host, name)
        reply = await metered(self._meter, api.name, send(url, name, self._headers(api, token)))
        self.date = reply.date
        if reply.date is not None:
            self._on_date(reply.date)
        await self._rate_limiter.on_response(
            host, overloaded=reply.is_overload, wait=reply.retry_after or 0.0
        )
        return reply, token

    def _headers(self, api: Api, token: str) -> dict[str, str]:
        if api.audience is None:
            return {}
        headers = {api.token_header: f"Bearer {token}"}
        if api.needs_contract and self.credentials.kind == "platform" and self.credentials.contract_id:
            headers["X-Satellogic-Contract-Id"] = self.credentials.contract_id
        return headers


def _is_same_origin(url: URL, own: URL) -> bool:
    return url.user is None and (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)


def _other_form(url: URL, reply: Reply) -> URL | None:
    """Return where a redirect leads if that is the same path with or without its final slash."""
    if reply.status not in _REDIRECTS:
        return None
    try:
        target = url.join(URL(reply.headers.get("Location", "")))
        same = target.origin() == url.origin() and target.path.rstrip("/") == url.path.rstrip("/")
    except ValueError:
        return None
    return url.with_path(target.raw_path, encoded=True).with_query(url.query) if same else None
