"""Creates the parts from a plan, for the daemon and for commands."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote

from orderwatch.app.notifications import learn_channels
from orderwatch.app.plan import AccountPlan, Plan, proxy_of
from orderwatch.app.trees.tree import Tree
from orderwatch.config import Settings, current
from orderwatch.core.cluster.shifts import ORDERING
from orderwatch.core.database_location import PostgresServer
from orderwatch.core.network import Network
from orderwatch.core.orders.watches import WatchSet
from orderwatch.db.cluster.shifts import fence_check
from orderwatch.db.lock import ordering_lock
from orderwatch.db.repositories import Store, guarded
from orderwatch.ops.actor import current_actor
from orderwatch.ops.log import Redactor, set_up
from orderwatch.ops.log_listener import LogListener
from orderwatch.ports import UNMETERED, AccountState, Check, Lanes, Meter
from orderwatch.provider.connection import Connection, connect
from orderwatch.provider.credentials import Credentials
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.account_context import AccountContext
from orderwatch.service.actions.controls import Controls
from orderwatch.service.catalog import CatalogTree
from orderwatch.service.clock import Clock
from orderwatch.service.cluster.ordering_turn import OrderingTurn
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.liveness import Worker, unsupervised
from orderwatch.service.ordering.placer import Placer
from orderwatch.service.ordering.standing_orders import StandingOrders
from orderwatch.service.polling.poller import Poller, SweepResult
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.wakeup import Wakeup


def set_up_log(settings: Settings, redactor: Redactor, log_listeners: Sequence[LogListener] = ()) -> None:
    """Set up logging as configured, with the secrets of these settings redacted."""
    learn_secrets(settings, redactor)
    set_up(settings.log.level, settings.log.format, redactor, log_listeners)


def learn_secrets(settings: Settings, redactor: Redactor) -> None:
    """Have the log redact every secret of these settings from now on."""
    if isinstance(settings.database.location, PostgresServer) and settings.database.location.password:
        redactor.learn(settings.database.location.password)
    for account in settings.accounts.values():
        redactor.learn(account.client_secret.get_secret_value())
    if token := settings.http.token.get_secret_value():
        redactor.learn(token)
    learn_proxy(settings, redactor)
    if key := settings.s3.secret_access_key.get_secret_value():
        redactor.learn(key)
    learn_channels(settings, redactor)


def learn_proxy(settings: Settings, redactor: Redactor) -> None:
    """Have the log redact the password of the proxy, in every form in which it is sent or configured."""
    proxy = proxy_of(settings.network)
    if proxy is not None and proxy.password:
        redactor.learn(proxy.password)
        redactor.learn(quote(proxy.password, safe=""))
        redactor.learn((proxy.authorization or "").removeprefix("Basic "))


@dataclass(frozen=True, slots=True)
class Factory:
    """Creates the workers of one plan."""

    plan: Plan
    rng: random.Random
    clock: Clock
    fetch_wakeup: Wakeup

    def context(
        self,
        account: AccountPlan,
        store: Store,
        *,
        controls: Controls | None = None,
        meter: Meter = UNMETERED,
        worker: Worker | None = None,
    ) -> AccountContext:
        return AccountContext(
            account=account.name,
            store=store,
            pace=self.plan.pace,
            now=self.clock.now,
            rng=self.rng,
            controls=controls or Controls(),
            meter=meter,
            worker=worker or unsupervised(),
        )

    def breaker(self, name: str, store: Store, kept: Mapping[str, AccountState]) -> AccountBreaker:
        trouble = kept[name].trouble if name in kept else None
        interval = self.plan.pace.interval
        return AccountBreaker(name, trouble, store, interval=interval, now=self.clock.now, rng=self.rng)

    def poller(
        self,
        context: AccountContext,
        connection: Connection,
        breaker: AccountBreaker,
        on_sweep: Callable[[SweepResult], Awaitable[None]],
    ) -> Poller:
        watched, tasking, archive = self._watched(context), connection.tasking, connection.archive
        return Poller(
            context, watched, tasking, archive, breaker, fetch_wakeup=self.fetch_wakeup, on_sweep=on_sweep
        )

    def recorder(self, context: AccountContext) -> Recorder:
        return Recorder(context, self._watched(context), todo=self.fetch_wakeup)

    def placer(
        self, context: AccountContext, recorder: Recorder, connection: Connection, before_send: Check
    ) -> Placer:
        return Placer(
            context,
            connection.tasking,
            recorder,
            contract=self.plan.accounts[context.account].contract,
            wait=self.plan.ordering.confirm_lost_after,
            before_send=before_send,
        )

    def standing_orders(
        self,
        context: AccountContext,
        recorder: Recorder,
        connection: Connection,
        breaker: AccountBreaker,
        turn: "Turn",
    ) -> StandingOrders:
        ordering = self.plan.ordering
        placer = self.placer(context, recorder, connection, turn.require)
        return StandingOrders(
            context,
            self.plan.accounts[context.account].standing_orders,
            placer,
            tasking=connection.tasking,
            breaker=breaker,
            who=current_actor(),
            budget=self.plan.budget,
            resend=ordering.enabled and ordering.resend,
            may_order=connection.require_tasking,
            turn=turn.hold,
        )

    def _watched(self, context: AccountContext) -> WatchSet:
        return self.plan.accounts[context.account].watched


@asynccontextmanager
async def open_connection(
    account: AccountPlan,
    network: Network,
    redactor: Redactor,
    *,
    on_date: Callable[[datetime], None] = lambda _: None,
    meter: Meter = UNMETERED,
    lanes: Lanes | None = None,
) -> AsyncIterator[Connection]:
    """Open an account's connection to the provider; redact its secrets in the log from here on.

    With `lanes` all hosts share the pace of requests.
    """
    settings = account.settings

    def read_secret() -> str:
        secret = current(settings.client_secret)
        redactor.learn(secret)
        return secret

    access = Credentials(
        name=account.name,
        kind=settings.credentials,
        client_id=settings.client_id.get_secret_value(),
        read_secret=read_secret,
        contract_id=settings.contract_id,
        token_url=settings.token_url,
        accounts_url=settings.endpoints.accounts,
        api_url=settings.endpoints.api,
        requests_per_second=account.requests_per_second,
        api=settings.api,
        delivery_api=settings.delivery_api,
        collections=settings.collections,
        archive_url=settings.archive_url,
    )
    async with connect(
        access,
        network,
        rng=random.SystemRandom(),
        learn_secret=redactor.learn_token,
        on_date=on_date,
        meter=meter,
        lanes=lanes,
    ) as connection:
        yield connection


class Turn(NamedTuple):
    """The turn to order, and the store that writes intents only in it.

    `hold` raises `LockedError` if another process has it, `require` raises `ProviderError` if one may.
    """

    hold: Callable[[], AbstractAsyncContextManager[None]]
    store: Store
    require: Check


def ordering_turn(plan: Plan, store: Store, now: Callable[[], datetime]) -> Turn:
    """Return the turn to order of all processes."""
    if not plan.database.is_shared:  # a lock of this machine lasts as long as the process
        return Turn(partial(local_turn, plan.database.file), store, bool)
    turn = OrderingTurn(store.shifts, plan.settings.cluster.lease, now=now)
    return Turn(turn.hold, guarded(store, fence_check(ORDERING, lambda: turn.fence)), turn.require)


@asynccontextmanager
async def local_turn(database: Path) -> AsyncIterator[None]:
    """Hold the turn of all processes on this machine."""
    with ordering_lock(database):
        yield


def lanes_of(plan: Plan, store: Store) -> Lanes | None:
    """Return the lanes that all hosts share; None for the only daemon of a file, which paces in memory."""
    return store.lanes if plan.database.is_shared else None


class GuardedTree(Protocol):
    @property
    def tree(self) -> Tree: ...

    @property
    def volume(self) -> MountGuard: ...


def catalog_trees(plan: Plan, trees: Mapping[str | None, GuardedTree]) -> dict[str | None, CatalogTree]:
    """Return each tree's catalog by its key; none when `stac` is disabled."""
    if not plan.keeps_catalog:
        return {}
    permissions = plan.permissions
    return {
        key: CatalogTree(str(plan.roots[key]), held.tree.catalog_files(permissions), held.volume.ready)
        for key, held in trees.items()
    }
