"""One account's connection to the provider."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from orderwatch.core.network import DIRECT, Network
from orderwatch.errors import RefusedError
from orderwatch.ports import UNMETERED, Archive, Lanes, Meter, Tasking
from orderwatch.provider.client import ORDERS, STAPI, TASKING, HttpClient
from orderwatch.provider.contracts import ContractsApi, explain_refusal, scope_problem
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.delivery.archives import open_archive
from orderwatch.provider.page_limits import PageLimits
from orderwatch.provider.pagination import Page, pages
from orderwatch.provider.rate_limiter import Limiter, RateLimiter, SharedRateLimiter
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.tokens import Tokens
from orderwatch.provider.transport import open_session

_PROBE_PAGES = 2  # an unreachable second page would hide most orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The APIs of one account."""

    tasking: Tasking
    archive: Archive
    contracts: ContractsApi | None  # None for legacy credentials
    http: HttpClient = field(repr=False)
    rate_limiter: Limiter = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)

    async def probe(self) -> float | None:
        """Check token, contract and order list; returns this host's clock minus the provider's in seconds.

        Returns None if the clocks cannot be compared. Raises `ProviderError` with the reason.
        """
        if self.contracts and (problem := await self.contracts.problem()):
            raise RefusedError(problem)
        read = 0
        async for _ in self._order_pages():
            read += 1
            if read == _PROBE_PAGES:
                break
        date = self.http.date
        return None if date is None else (self.now() - date).total_seconds()

    @property
    def delivery_apis(self) -> tuple[str, ...]:
        """The APIs that files come from beside that of the orders; none with STAPI."""
        return () if self.http.credentials.api == "stapi" else self.http.credentials.delivery_api

    async def probe_delivery(self, delivery_api: str) -> str:
        """Return what one of its delivery APIs answers. Raises `ProviderError`."""
        from orderwatch.provider.delivery.probe import probe

        return await probe(self.http, delivery_api)

    def _order_pages(self) -> AsyncIterator[Page]:
        if self.http.credentials.api == "stapi":
            from orderwatch.provider.stapi.records import ORDER_LIST

            return pages(self.http, STAPI, "/orders", form=ORDER_LIST, max_rows=1)
        if self.http.credentials.api == "v2":
            from orderwatch.provider.v2.lists import WHOLE_LIST

            return pages(self.http, ORDERS, "/v2/orders/", form=WHOLE_LIST, max_rows=1)
        return pages(self.http, TASKING, "/tasking/tasks/", max_rows=1)

    async def require_tasking(self) -> None:
        """Raise `RefusedError` if these credentials, or their contract, cannot place orders."""
        if self.http.credentials.api == "stapi":
            from orderwatch.provider.stapi.tasking import NO_ORDERING

            raise RefusedError(NO_ORDERING)
        problem = scope_problem(await self.scope())
        if problem is None and self.contracts:
            problem = await self.contracts.problem()
        if problem:
            raise RefusedError(problem)

    async def scope(self) -> tuple[str, ...] | None:
        """Return the scope of the credentials, None if unknown."""
        return await self.http.scope(STAPI if self.http.credentials.api == "stapi" else TASKING)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _boot_time() -> float:
    """Return a clock that also counts suspended time, as token lifetimes and Retry-After do."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@asynccontextmanager
async def connect(
    credentials: Credentials,
    network: Network = DIRECT,
    *,
    rng: random.Random,
    learn_secret: Callable[[str], None],
    on_date: Callable[[datetime], None] = lambda _date: None,
    meter: Meter = UNMETERED,
    lanes: Lanes | None = None,
    now: Callable[[], datetime] = _utc_now,
    monotonic: Callable[[], float] = _boot_time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[Connection]:
    """Open a connection; sends nothing before it is used. Every token goes to `learn_secret` first.

    `on_date` receives the provider's time of every response. With `lanes` all hosts share the pace.
    """
    async with open_session(network) as session:
        rate_limiter: Limiter
        pace = (credentials.name, credentials.requests_per_second)
        if lanes is None:
            rate_limiter = RateLimiter(*pace, monotonic=monotonic, sleep=sleep, rng=rng)
        else:
            rate_limiter = SharedRateLimiter(*pace, lanes, monotonic=monotonic, sleep=sleep, rng=rng)
        tokens = Tokens(
            session, credentials, rate_limiter, learn_secret=learn_secret, monotonic=monotonic, meter=meter
        )
        http = HttpClient(
            session,
            credentials,
            tokens,
            rate_limiter,
            network=network,
            page_limits=PageLimits(credentials.name, monotonic),
            explain=explain_refusal,
            on_date=on_date,
            rng=rng,
            sleep=sleep,
            meter=meter,
        )
        reader = SchemaReader(credentials.name)
        tasking, archive = _open_apis(http, reader, monotonic, sleep)
        yield Connection(
            tasking=tasking,
            archive=archive,
            contracts=ContractsApi(http, reader) if credentials.kind == "platform" else None,
            http=http,
            rate_limiter=rate_limiter,
            now=now,
        )


def _open_apis(
    http: HttpClient,
    reader: SchemaReader,
    monotonic: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]],
) -> tuple[Tasking, Archive]:
    if http.credentials.api == "stapi":
        from orderwatch.provider.stapi.archive import StapiArchive
        from orderwatch.provider.stapi.records import OrderRecords
        from orderwatch.provider.stapi.tasking import StapiTasking

        records = OrderRecords(http, reader, monotonic)
        return StapiTasking(http, records), StapiArchive(http, reader, records, monotonic)
    archive = open_archive(http, reader, monotonic)
    if http.credentials.api == "v2":
        from orderwatch.provider.v2.tasking import OrdersApi

        return OrdersApi(http, reader, monotonic, sleep), archive
    from orderwatch.provider.tasking import TaskingApi

    return TaskingApi(http, reader), archive
