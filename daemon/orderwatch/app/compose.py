"""Opens everything on one exit stack. The one place that knows every concrete class."""

import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from orderwatch.app.values import (
    contract_of,
    declared_of,
    limit_of,
    manner_of,
    pace_of,
    retries_of,
    rights_of,
    roots_of,
    watched_of,
)
from orderwatch.config import Account, Settings, current
from orderwatch.core.intent import Budget
from orderwatch.db.lock import make_folder, sole_writer, turn_to_order
from orderwatch.db.store import Store, open_store
from orderwatch.db.upgrade import Schema, schema_of, upgrade
from orderwatch.errors import DatabaseError
from orderwatch.ops.log import Redactor, set_up
from orderwatch.ops.who import who
from orderwatch.ports import AccountState
from orderwatch.provider.access import Access
from orderwatch.provider.connection import Connection, connect
from orderwatch.service.attempt import Tools, Tree
from orderwatch.service.bell import Bell
from orderwatch.service.clock import Clock
from orderwatch.service.fetcher import Fetcher
from orderwatch.service.gate import Gate
from orderwatch.service.lister import Lister
from orderwatch.service.looker import Looker
from orderwatch.service.orderer import Orderer
from orderwatch.service.poller import Poller
from orderwatch.service.recorder import Recorder
from orderwatch.service.space import Promises, Space
from orderwatch.service.standing import Standing
from orderwatch.service.volume import Volume
from orderwatch.transfer.bandwidth import Bandwidth
from orderwatch.transfer.download import open_downloader
from orderwatch.transfer.filesystem import FilesystemDestination


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that works, opened and recovered."""

    settings: Settings
    store: Store
    pollers: Mapping[str, Poller]
    standing: Mapping[str, Standing]
    fetcher: Fetcher
    todo: Bell


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


@dataclass(frozen=True, slots=True)
class OpenTree:
    """A delivery tree that this process holds, and the room in it."""

    destination: FilesystemDestination
    space: Space
    volume: Volume


@asynccontextmanager
async def open_app(settings: Settings, redactor: Redactor) -> AsyncIterator[App]:
    """Open the trees, the store, each account; recover what a killed process left. `LockedError`."""
    parts = Parts(settings, random.SystemRandom(), Clock(), Bell())
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.database.path))
        trees = await open_trees(settings, store, stack)
        kept = await store.accounts()
        bandwidth = Bandwidth(limit_of(settings))
        tools, pollers, standing = {}, {}, {}
        for name, account in settings.accounts.items():
            connection = await stack.enter_async_context(
                open_connection(name, settings, redactor, heard=parts.clock.heard)
            )
            downloader = await stack.enter_async_context(
                open_downloader(
                    urlsplit(account.endpoints.api).hostname or "",
                    trees[None].destination.partials,
                    manner_of(settings),
                    bandwidth,
                )
            )
            gate = parts.gate(name, store, kept)
            tools[name] = Tools(
                archive=connection.archive,
                gate=gate,
                watched=watched_of(name, settings),
                trees={
                    root: Tree(
                        destination=tree.destination,
                        transport=downloader.into(tree.destination.partials),
                        space=tree.space,
                        volume=tree.volume,
                    )
                    for root, tree in trees.items()
                },
                store=store,
                now=parts.clock.now,
            )
            recorder = parts.recorder(name, store)
            pollers[name] = parts.poller(recorder, connection, store, gate)
            standing[name] = parts.standing(recorder, connection, store, gate)
        fetcher = parts.fetcher(tools, store)
        await fetcher.recover()
        yield App(
            settings=settings,
            store=store,
            pollers=pollers,
            standing=standing,
            fetcher=fetcher,
            todo=parts.todo,
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """What the workers share, and how each is put together."""

    settings: Settings
    rng: random.Random
    clock: Clock
    todo: Bell

    def gate(self, name: str, store: Store, kept: Mapping[str, AccountState]) -> Gate:
        trouble = kept[name].trouble if name in kept else None
        interval = self.settings.polling.interval
        return Gate(name, trouble, store, interval=interval, now=self.clock.now, rng=self.rng)

    def poller(self, recorder: Recorder, connection: Connection, store: Store, gate: Gate) -> Poller:
        pace, now = pace_of(self.settings), self.clock.now
        lister = Lister(connection.tasking, recorder, store, now=now)
        looker = Looker(connection.tasking, connection.archive, recorder, store, pace=pace, now=now)
        return Poller(recorder, lister, looker, gate, store, pace=pace, now=now, rng=self.rng)

    def recorder(self, name: str, store: Store) -> Recorder:
        return Recorder(
            name,
            watched_of(name, self.settings),
            store,
            pace=pace_of(self.settings),
            todo=self.todo,
            now=self.clock.now,
            rng=self.rng,
        )

    def orderer(self, recorder: Recorder, connection: Connection, store: Store) -> Orderer:
        return Orderer(
            connection.tasking,
            recorder,
            store,
            contract=contract_of(self.settings.accounts[recorder.account]),
            wait=self.settings.ordering.absent_after,
            now=self.clock.now,
        )

    def standing(self, recorder: Recorder, connection: Connection, store: Store, gate: Gate) -> Standing:
        ordering, polling, name = self.settings.ordering, self.settings.polling, recorder.account
        return Standing(
            name,
            declared_of(name, self.settings),
            self.orderer(recorder, connection, store),
            tasking=connection.tasking,
            store=store,
            gate=gate,
            who=who(),
            budget=Budget(per_day=ordering.per_day, in_all=ordering.in_all),
            resend=ordering.enabled and ordering.resend,
            interval=polling.interval,
            slowest=polling.slowest,
            may_order=connection.must_task,
            turn=partial(turn_to_order, self.settings.database.path),
            now=self.clock.now,
        )

    def fetcher(self, tools: Mapping[str, Tools], store: Store) -> Fetcher:
        retries = retries_of(self.settings)
        return Fetcher(tools, store, retries=retries, now=self.clock.now, rng=self.rng)


async def open_trees(settings: Settings, store: Store, stack: AsyncExitStack) -> dict[str | None, OpenTree]:
    """Every root of the configuration, held for this process alone as soon as it can be used."""
    trees: dict[str | None, OpenTree] = {}
    promises: Promises = {}
    for key, root in roots_of(settings).items():
        destination = FilesystemDestination(root, rights_of(settings))
        lock = partial(sole_writer, root / ".orderwatch" / "tree")
        volume = Volume(str(root.resolve()), destination, store, lock)
        stack.callback(volume.close)
        await volume.open()
        space = Space(destination.free, settings.delivery.keep_free, destination.device, promises)
        trees[key] = OpenTree(destination, space, volume)
    return trees


@asynccontextmanager
async def open_connection(
    name: str, settings: Settings, redactor: Redactor, *, heard: Callable[[datetime], None] = lambda _: None
) -> AsyncIterator[Connection]:
    """One account's connection to the provider; its secrets are kept out of every log from here on."""
    account: Account = settings.accounts[name]

    def read_secret() -> str:
        secret = current(account.client_secret)
        redactor.learn(secret)
        return secret

    access = Access(
        name=name,
        credentials=account.credentials,
        client_id=account.client_id.get_secret_value(),
        read_secret=read_secret,
        contract_id=account.contract_id,
        token_url=account.token_url,
        accounts_url=account.endpoints.accounts,
        api_url=account.endpoints.api,
        requests_per_second=settings.polling.requests_per_second,
    )
    async with connect(
        access, rng=random.SystemRandom(), learn_secret=redactor.learn_token, heard=heard
    ) as connection:
        yield connection
