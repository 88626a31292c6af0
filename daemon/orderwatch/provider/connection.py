"""One account's connection to the provider."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from orderwatch.errors import RefusedError
from orderwatch.ports import UNMETERED, Archive, Meter, Tasking
from orderwatch.provider.archive import TelluricApi
from orderwatch.provider.client import TASKING, HttpClient
from orderwatch.provider.contracts import Accounts, explain, scope_complaint
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.page_limits import PageLimits
from orderwatch.provider.pagination import pages
from orderwatch.provider.rate_limiter import RateLimiter
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.tasking import TaskingApi
from orderwatch.provider.tokens import Tokens
from orderwatch.provider.transport import open_session

_WALKED = 2  # pages: a list whose second page cannot be reached is blind for all but the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    tasking: Tasking
    archive: Archive
    accounts: Accounts | None  # None for legacy credentials
    http: HttpClient = field(repr=False)
    pacer: RateLimiter = field(repr=False)
    now: Callable[[], datetime] = field(repr=False)

    async def probe(self) -> float | None:
        """Prove token, contract and list of orders. Returns our clock minus theirs in seconds, or None.

        Raises `ProviderError` saying what is wrong.
        """
        if self.accounts and (complaint := await self.accounts.complaint()):
            raise RefusedError(complaint)
        walked = 0
        async for _ in pages(self.http, TASKING, "/tasking/tasks/", most=1):
            walked += 1
            if walked == _WALKED:
                break
        date = self.http.date
        return None if date is None else (self.now() - date).total_seconds()

    async def must_task(self) -> None:
        """Raise `RefusedError` saying why these credentials, or their contract, cannot place orders."""
        complaint = scope_complaint(await self.scope())
        if complaint is None and self.accounts:
            complaint = await self.accounts.complaint()
        if complaint:
            raise RefusedError(complaint)

    async def scope(self) -> tuple[str, ...] | None:
        """What the credentials may do, in the provider's words; None where it does not say."""
        return await self.http.scope(TASKING)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _steady() -> float:
    """Passes in a suspended machine too: the lives of tokens do, and what we were told to wait."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@asynccontextmanager
async def connect(
    access: Credentials,
    *,
    rng: random.Random,
    learn_secret: Callable[[str], None],
    heard: Callable[[datetime], None] = lambda _date: None,
    meter: Meter = UNMETERED,
    now: Callable[[], datetime] = _utc_now,
    monotonic: Callable[[], float] = _steady,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[Connection]:
    """Open a connection; nothing is sent before it is used. Every token goes to `learn_secret` first.

    `heard` is told the provider's time of day with every answer.
    """
    async with open_session() as session:
        pacer = RateLimiter(
            access.name, access.requests_per_second, monotonic=monotonic, sleep=sleep, rng=rng
        )
        tokens = Tokens(session, access, pacer, learn_secret=learn_secret, monotonic=monotonic, meter=meter)
        http = HttpClient(
            session,
            access,
            tokens,
            pacer,
            lists=PageLimits(access.name, monotonic),
            explain=explain,
            heard=heard,
            rng=rng,
            sleep=sleep,
            meter=meter,
        )
        reader = SchemaReader(access.name)
        yield Connection(
            tasking=TaskingApi(http, reader),
            archive=TelluricApi(http, reader),
            accounts=Accounts(http, reader) if access.credentials == "platform" else None,
            http=http,
            pacer=pacer,
            now=now,
        )
