"""How each part is put together from the settings, for the daemon and for runs that end."""

import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from orderwatch.app.notifications import learn_channels
from orderwatch.app.plan import (
    contract_of,
    declared_of,
    pace_of,
    rights_of,
    roots_of,
    watched_of,
)
from orderwatch.config import Account, Settings, current
from orderwatch.core.ordering.intent import Budget
from orderwatch.db.lock import make_folder, sole_writer, turn_to_order
from orderwatch.db.migrate import Schema, schema_of, upgrade
from orderwatch.db.store import Store
from orderwatch.errors import DatabaseError
from orderwatch.ops.actor import current_actor
from orderwatch.ops.log import Redactor, set_up
from orderwatch.ops.log_listener import LogListener
from orderwatch.ports import UNMETERED, AccountState, Meter
from orderwatch.provider.connection import Connection, connect
from orderwatch.provider.credentials import Credentials
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.catalog import CatalogTree
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.liveness import Worker
from orderwatch.service.ordering.placer import Placer
from orderwatch.service.ordering.standing_orders import StandingOrders
from orderwatch.service.polling.list_sync import ListSync
from orderwatch.service.polling.order_sync import OrderSync
from orderwatch.service.polling.poller import Poller, SweepResult
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.wakeup import Wakeup
from orderwatch.transfer.tree.catalog_files import CatalogWriter


def set_up_log(settings: Settings, redactor: Redactor, log_listeners: Sequence[LogListener] = ()) -> None:
    """Log as the configuration says, and none of its secrets."""
    learn_secrets(settings, redactor)
    set_up(settings.log.level, settings.log.format, redactor, log_listeners)


def learn_secrets(settings: Settings, redactor: Redactor) -> None:
    """None of them is logged from now on, however the log is set up."""
    for account in settings.accounts.values():
        redactor.learn(account.client_secret.get_secret_value())
    if token := settings.http.token.get_secret_value():
        redactor.learn(token)
    learn_channels(settings, redactor)


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
class Factory:
    """What the workers share, and how each is put together."""

    settings: Settings
    rng: random.Random
    clock: Clock
    todo: Wakeup

    def breaker(self, name: str, store: Store, kept: Mapping[str, AccountState]) -> AccountBreaker:
        trouble = kept[name].trouble if name in kept else None
        interval = self.settings.polling.interval
        return AccountBreaker(name, trouble, store, interval=interval, now=self.clock.now, rng=self.rng)

    def poller(
        self,
        recorder: Recorder,
        connection: Connection,
        store: Store,
        breaker: AccountBreaker,
        *,
        worker: Worker,
        meter: Meter,
        heard: Callable[[SweepResult], object],
    ) -> Poller:
        pace, now, rng = pace_of(self.settings), self.clock.now, self.rng
        tasking, archive = connection.tasking, connection.archive
        list_sync = ListSync(tasking, recorder, store, now=now, worker=worker)
        order_sync = OrderSync(tasking, archive, recorder, store, pace=pace, now=now, rng=rng, worker=worker)
        return Poller(
            recorder,
            list_sync,
            order_sync,
            breaker,
            store,
            pace=pace,
            now=now,
            rng=rng,
            meter=meter,
            worker=worker,
            heard=heard,
        )

    def recorder(self, name: str, store: Store, meter: Meter = UNMETERED) -> Recorder:
        return Recorder(
            name,
            watched_of(name, self.settings),
            store,
            pace=pace_of(self.settings),
            todo=self.todo,
            now=self.clock.now,
            rng=self.rng,
            meter=meter,
        )

    def placer(self, recorder: Recorder, connection: Connection, store: Store) -> Placer:
        return Placer(
            connection.tasking,
            recorder,
            store,
            contract=contract_of(self.settings.accounts[recorder.account]),
            wait=self.settings.ordering.confirm_lost_after,
            now=self.clock.now,
        )

    def standing(
        self,
        recorder: Recorder,
        connection: Connection,
        store: Store,
        breaker: AccountBreaker,
        *,
        worker: Worker,
    ) -> StandingOrders:
        ordering, polling, name = self.settings.ordering, self.settings.polling, recorder.account
        return StandingOrders(
            name,
            declared_of(name, self.settings),
            self.placer(recorder, connection, store),
            tasking=connection.tasking,
            store=store,
            breaker=breaker,
            who=current_actor(),
            budget=Budget(max_per_day=ordering.max_per_day, max_total=ordering.max_total),
            resend=ordering.enabled and ordering.resend,
            interval=polling.interval,
            slowest=polling.max_interval,
            may_order=connection.must_task,
            turn=partial(turn_to_order, self.settings.database.path),
            now=self.clock.now,
            worker=worker,
        )


@asynccontextmanager
async def open_connection(
    name: str,
    settings: Settings,
    redactor: Redactor,
    *,
    heard: Callable[[datetime], None] = lambda _: None,
    meter: Meter = UNMETERED,
) -> AsyncIterator[Connection]:
    """One account's connection to the provider; its secrets are kept out of every log from here on."""
    account: Account = settings.accounts[name]

    def read_secret() -> str:
        secret = current(account.client_secret)
        redactor.learn(secret)
        return secret

    access = Credentials(
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
        access, rng=random.SystemRandom(), learn_secret=redactor.learn_token, heard=heard, meter=meter
    ) as connection:
        yield connection


class GuardedTree(Protocol):
    @property
    def volume(self) -> MountGuard: ...


def catalog_trees(
    settings: Settings, trees: Mapping[str | None, GuardedTree]
) -> dict[str | None, CatalogTree]:
    """Each of the trees, by the names that rows have for them; none where no catalogue is wanted."""
    if not settings.delivery.stac:
        return {}
    roots, permissions = roots_of(settings), rights_of(settings)
    return {
        key: CatalogTree(str(roots[key]), CatalogWriter(roots[key], permissions), tree.volume.ready)
        for key, tree in trees.items()
    }
