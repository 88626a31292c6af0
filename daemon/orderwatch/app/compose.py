"""Opens everything on one exit stack. The one place that knows every concrete class."""

import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from orderwatch.config import Account, Settings, Watch
from orderwatch.core.cadence import Pace
from orderwatch.core.delivery import RetryPolicy
from orderwatch.core.machine import Rules
from orderwatch.core.watching import Pattern, Watched
from orderwatch.db.lock import make_folder, sole_writer
from orderwatch.db.store import Store, open_store
from orderwatch.db.upgrade import Schema, schema_of, upgrade
from orderwatch.errors import DatabaseError
from orderwatch.ops.log import Redactor, set_up
from orderwatch.provider.access import Access
from orderwatch.provider.connection import Connection, connect
from orderwatch.service.attempt import Tools
from orderwatch.service.bell import Bell
from orderwatch.service.fetcher import Fetcher
from orderwatch.service.looker import Looker
from orderwatch.service.poller import Poller
from orderwatch.service.space import Space
from orderwatch.transfer.bandwidth import Bandwidth
from orderwatch.transfer.download import open_downloader
from orderwatch.transfer.filesystem import FilesystemDestination

_DISK_AGAIN = timedelta(seconds=60)  # the longest a full disk goes unasked


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that works, opened and recovered."""

    settings: Settings
    store: Store
    pollers: Mapping[str, Poller]
    fetcher: Fetcher
    todo: Bell


def utc_now() -> datetime:
    return datetime.now(UTC)


def set_up_log(settings: Settings, redactor: Redactor) -> None:
    """Log as the configuration says, and none of its secrets."""
    for account in settings.accounts.values():
        redactor.learn(account.client_secret.get_secret_value())
    for channel in settings.notify:
        redactor.learn(channel.url.get_secret_value())
    set_up(settings.log.level, settings.log.format, redactor)


@contextmanager
def held_database(settings: Settings) -> Iterator[None]:
    """Hold the database for this process alone, at this code's schema. `LockedError`, `DatabaseError`."""
    path = settings.database.path
    make_folder(path)
    with sole_writer(path):
        schema = schema_of(path, thorough=True)
        if schema is not Schema.CURRENT:
            if settings.database.migrate == "manual":
                raise DatabaseError(f"{path} is not at this code's schema; run: orderwatch migrate")
            upgrade(path)
        yield


@asynccontextmanager
async def open_app(settings: Settings, redactor: Redactor) -> AsyncIterator[App]:
    """Open the destination, the store, each account; recover what a killed process left. `LockedError`."""
    rng = random.SystemRandom()
    todo = Bell()
    delivery, pace = settings.delivery, _pace(settings)
    destination = FilesystemDestination(delivery.root)
    space = Space(destination.free, delivery.keep_free)
    bandwidth = Bandwidth(delivery.bandwidth)
    async with AsyncExitStack() as stack:
        await destination.prepare()
        stack.enter_context(sole_writer(delivery.root / ".orderwatch" / "tree"))
        store = await stack.enter_async_context(open_store(settings.database.path))
        tools, pollers = {}, {}
        for name, account in settings.accounts.items():
            connection = await stack.enter_async_context(open_connection(name, settings, redactor))
            transport = await stack.enter_async_context(
                open_downloader(
                    urlsplit(account.endpoints.api).hostname or "",
                    destination.partials,
                    delivery.stall.total_seconds(),
                    bandwidth,
                )
            )
            tools[name] = Tools(
                archive=connection.archive,
                transport=transport,
                destination=destination,
                store=store,
                space=space,
                layout=delivery.layout,
                now=utc_now,
            )
            looker = Looker(
                name,
                connection.tasking,
                connection.archive,
                store,
                rules=_rules(settings),
                pace=pace,
                todo=todo,
                now=utc_now,
                rng=rng,
            )
            watched = _watched(w for w in settings.watch if w.account == name)
            pollers[name] = Poller(
                name, watched, connection.tasking, looker, store, pace=pace, now=utc_now, rng=rng
            )
        fetcher = Fetcher(tools, store, destination, retries=_retries(settings), now=utc_now, rng=rng)
        await fetcher.recover()
        yield App(settings=settings, store=store, pollers=pollers, fetcher=fetcher, todo=todo)


@asynccontextmanager
async def open_connection(name: str, settings: Settings, redactor: Redactor) -> AsyncIterator[Connection]:
    """One account's connection to the provider; its secret is kept out of every log from here on."""
    account: Account = settings.accounts[name]
    secret = account.client_secret.get_secret_value()
    redactor.learn(secret)
    access = Access(
        name=name,
        credentials=account.credentials,
        client_id=account.client_id.get_secret_value(),
        client_secret=secret,
        contract_id=account.contract_id,
        token_url=account.token_url,
        accounts_url=account.endpoints.accounts,
        api_url=account.endpoints.api,
        requests_per_second=settings.polling.requests_per_second,
    )
    async with connect(access, rng=random.SystemRandom(), learn_secret=redactor.learn_token) as connection:
        yield connection


def _watched(watches: Iterable[Watch]) -> Watched:
    chosen = list(watches)
    patterns = [
        Pattern(project_name=w.project_name, task_name=w.task_name)
        for w in chosen
        if w.project_name is not None or w.task_name is not None
    ]
    ids = (task_id for w in chosen for task_id in w.task_ids)
    return Watched(task_ids=frozenset(ids), patterns=tuple(patterns))


def _rules(settings: Settings) -> Rules:
    return Rules(attachments=frozenset(settings.delivery.attachments), grace=settings.polling.grace)


def _pace(settings: Settings) -> Pace:
    polling = settings.polling
    return Pace(interval=polling.interval, slowest=polling.slowest, grace=polling.grace)


def _retries(settings: Settings) -> RetryPolicy:
    delivery = settings.delivery
    return RetryPolicy(
        first=delivery.retry_first,
        slowest=delivery.retry_slowest,
        max_attempts=delivery.max_attempts,
        disk=min(_DISK_AGAIN, delivery.retry_first),
    )
