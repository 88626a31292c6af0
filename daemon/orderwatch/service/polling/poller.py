"""Polls the orders of one account: lists them if that saves requests, then polls due orders."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from orderwatch.core.actions.action import Action, RefreshAnswer
from orderwatch.core.model import OrderKey
from orderwatch.core.orders.poll_schedule import Pace, farthest
from orderwatch.core.orders.watches import WatchSet
from orderwatch.errors import ProviderError, RefusedError, UnexpectedError
from orderwatch.ports import Archive, Detail, Tasking
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.account_context import AccountContext
from orderwatch.service.polling.list_sync import ListResult, ListSync
from orderwatch.service.polling.order_sync import MAX_PARALLEL, OrderSync, SyncBatch
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_MAX_PAUSE_INTERVALS = 6


@dataclass
class _OrderFailure:
    failures: int = 0
    at: datetime | None = None
    logged: str | None = None


class OrderBackoff:
    """Failures of single orders of one account."""

    def __init__(self, account: str, pace: Pace, now: Callable[[], datetime]) -> None:
        self._account = account
        self._pace = pace
        self._now = now
        self._failures: dict[str, _OrderFailure] = {}

    def blocks_now(self, order_id: str) -> bool:
        """Return whether the order must not be polled yet."""
        failure = self._failures.get(order_id)
        if failure is None or failure.at is None:
            return False
        # A time in the future means that the clock was set back.
        return timedelta(0) <= self._now() - failure.at < self._pause(failure)

    def is_failing(self, order_id: str) -> bool:
        """Return whether the order's last poll failed."""
        return order_id in self._failures

    def on_failure(
        self, key: OrderKey, error: ProviderError | UnexpectedError, *, should_log: bool = True
    ) -> None:
        """Count a failure; log it if it concerns this order only and is new."""
        failure = self._failures.setdefault(key.order_id, _OrderFailure())
        failure.failures += 1
        failure.at = self._now()
        # One bug may raise at several places.
        logged = "unexpected" if isinstance(error, UnexpectedError) else str(error)
        if should_log and failure.logged != logged:
            failure.logged = logged
            log.warning("order.look_failed", account=self._account, **key._asdict(), reason=str(error))

    def on_success(self, key: OrderKey) -> None:
        """End the order's failure, if any."""
        failure = self._failures.pop(key.order_id, None)
        if failure is not None and failure.logged is not None:
            log.info("order.look_restored", account=self._account, **key._asdict())

    def on_clock_step(self, by: timedelta) -> None:
        """Shift pauses after the clock was set back, so that none gets longer."""
        for failure in self._failures.values():
            if failure.at is not None and by < timedelta(0):
                failure.at += by

    def _pause(self, failure: _OrderFailure) -> timedelta:
        doubled = self._pace.interval * (1 << min(failure.failures - 1, _MAX_PAUSE_INTERVALS))
        return min(doubled, _MAX_PAUSE_INTERVALS * self._pace.interval)


@dataclass
class SweepResult:
    """The result of one sweep over an account."""

    looked: int = 0
    listed: int = 0  # orders in the list
    requested: bool = False  # any request was sent
    answered: bool = False  # at least one request succeeded
    postponed: bool = False  # the list was due again before all due orders were polled
    complete: bool = False  # everything due was requested and answered
    problems: list[str] = field(default_factory=list)
    refused: bool = False


async def _unreported(_: SweepResult) -> None:
    """Report to nobody: only the daemon has a heartbeat."""


class Poller:
    """Sweeps over one account. Its worker is also that of list sync and order sync.

    `on_sweep` receives the result of each sweep of `run`.
    """

    def __init__(
        self,
        context: AccountContext,
        watched: WatchSet,
        tasking: Tasking,
        archive: Archive,
        breaker: AccountBreaker,
        *,
        fetch_wakeup: Wakeup,
        on_sweep: Callable[[SweepResult], Awaitable[None]] = _unreported,
    ) -> None:
        self.recorder = Recorder(context, watched, todo=fetch_wakeup)
        self._account = context.account
        self._watched = watched
        self._tasking = tasking
        self._list_sync = ListSync(context, tasking, self.recorder)
        self._order_sync = OrderSync(context, tasking, archive, self.recorder)
        self._breaker = breaker
        self._store = context.store
        self._pace = context.pace
        self._now = context.now
        self._rng = context.rng
        self._meter = context.meter
        self._on_sweep = on_sweep
        self._controls = context.controls
        self._worker = context.worker
        self._backoff = OrderBackoff(context.account, context.pace, context.now)
        self._lists_regularly = False  # the list is read once per interval
        self._listed_at: datetime | None = None
        self._was_answered = False

    async def run(self, tick: Wakeup) -> None:
        """Sweep at every wakeup, forever; known errors never end it."""
        self._listed_at = None  # another host may have listed since
        with self._worker:
            while True:
                self._worker.progress()
                ticket = tick.subscribe()
                for action in self._controls.refreshes_of(self._account):
                    await self._answer(action)
                if self._controls.pauses.of_polling(self._account) is not None:
                    self._worker.idle()
                    await ticket.wait()
                    continue
                done = await self.sweep()
                await self._on_sweep(done)
                if not done.postponed:
                    await ticket.wait()

    def on_clock_step(self, by: timedelta) -> None:
        """After a clock step, make the list due at once and shift pauses."""
        self._listed_at = None
        self._breaker.on_clock_step(by)
        self._backoff.on_clock_step(by)

    async def _answer(self, action: Action) -> None:
        """Poll what was requested now, whatever is due, and record the answer."""
        pause, before = self._controls.pauses.of_polling(self._account), self.recorder.changes
        if pause is not None:
            answer = RefreshAnswer(problems=(pause.reason,))
        else:
            only = None if action.order_id is None else await self._key(action.order_id)
            done = await self.sweep(everything=True, only=only)
            await self._on_sweep(done)
            answer = RefreshAnswer(
                polled=done.looked,
                listed=done.listed,
                changes=self.recorder.changes - before,
                problems=tuple(done.problems),
            )
        await self._store.actions.answer(action.number, answer, self._now())
        self._controls.on_answer(action)
        log.info(
            "refresh.done",
            account=self._account,
            who=action.who,
            polled=answer.polled,
            changes=answer.changes,
        )

    async def _key(self, order_id: str) -> OrderKey:
        known = await self._store.orders.get(self._account, order_id, Detail.NONE)
        return OrderKey(order_id, None) if known is None else known.key

    async def sweep(self, *, everything: bool = False, only: OrderKey | None = None) -> SweepResult:
        """Poll every due order; with `everything`, every open order, or `only` one."""
        done = SweepResult()
        if self._breaker.blocks_now and not everything:
            return done
        try:
            await self.recorder.refit_lags()
            listing = None if only else await self._list(done, everything=everything)
            await self._sync_due(listing or ListResult(), done, everything=everything, only=only)
            if not done.requested and self._should_probe():
                await self._list_sync.probe()
                done.answered = True
        except ProviderError as error:
            await self._breaker.on_failure(error)
            done.problems.append(f"account {self._account}: {error}")
            done.refused = isinstance(error, RefusedError)
        else:
            if done.answered:
                self._was_answered = True
                await self._breaker.on_success()
            if done.answered or not done.requested:
                done.complete = True
                self._meter.sweep_ended()
        return done

    def _should_probe(self) -> bool:
        """Return whether to probe the account although nothing was due, to learn its state and time."""
        if self._breaker.is_open or self._breaker.is_suspect:
            return True
        return bool(self._watched.watches) and not self._was_answered

    async def _list(self, done: SweepResult, *, everything: bool) -> ListResult | None:
        """Read the list: once per interval for patterns and own orders, else if it saves requests."""
        listing: ListResult | None = None
        self._lists_regularly = bool(self._watched.listed) or await self._store.orders.has_ours(self._account)
        if self._lists_regularly:
            if everything or self._list_is_due():
                listing = await self._list_sync.read()
                self._listed_at = self._now()
        else:
            due = await self._due(everything=everything)
            if len(due) > self._list_sync.pages:
                listing = await self._list_sync.read({key.order_id for key in due})
        if listing is None:
            return None
        done.requested = True
        done.answered = listing.whole or bool(listing.shown)
        done.listed = len(listing.shown)
        if listing.trouble is not None:
            done.problems.append(f"account {self._account}: {listing.trouble}")
        return listing

    def _list_is_due(self) -> bool:
        return not self._is_recent(self._listed_at)

    def _is_recent(self, moment: datetime | None) -> bool:
        """Return whether the time is within the last interval, and not in the future after a clock step."""
        return moment is not None and moment <= self._now() < moment + self._pace.interval

    async def _due(self, *, everything: bool, skipped: Collection[OrderKey] = ()) -> list[OrderKey]:
        """Return due orders in random order, so that a failing one does not always come first.

        Orders `skipped` by the list sync are due, to record them or to log why that fails.
        """
        watched = self._watched.order_keys
        unknown = await self._store.orders.unknown(self._account, watched) if watched else ()
        due = {key.order_id: key for key in (*unknown, *skipped)}
        now = self._now()
        due_until, due_after = (None, None) if everything else (now, now + farthest(self._pace))
        for known in await self._store.orders.watchable(self._account, due_until, due_after):
            if self._watched.still_matches(known):
                due[known.order_id] = known.key
        if not everything:
            due = {order_id: key for order_id, key in due.items() if not self._backoff.blocks_now(order_id)}
        return [due[order_id] for order_id in self._rng.sample(sorted(due), len(due))]

    async def _sync_due(
        self, listing: ListResult, done: SweepResult, *, everything: bool, only: OrderKey | None
    ) -> None:
        def should_stop() -> bool:
            """Stop once people wait or the list is due again; the remaining orders are polled after it."""
            done.postponed |= not everything and self._lists_regularly and self._list_is_due()
            done.postponed |= self._controls.pauses.of_polling(self._account) is not None
            done.postponed |= not everything and bool(self._controls.refreshes_of(self._account))
            return done.postponed

        unsure = self._breaker.is_open or self._breaker.is_suspect
        enough = 1 if unsure and not done.answered else MAX_PARALLEL
        batch = SyncBatch(self._order_sync, enough=enough, everything=everything, should_stop=should_stop)
        due = [only] if only else await self._due(everything=everything, skipped=listing.skipped)
        if due:
            await self._tasking.expect([key.order_id for key in due])
        await batch.run(due, listing.shown, {key.order_id for key in listing.skipped})
        done.looked = len(batch.succeeded)
        done.requested |= batch.answered or bool(batch.failed)
        done.answered |= batch.answered
        for key in batch.succeeded:
            self._backoff.on_success(key)
        if batch.failed:
            await self._classify_failures(batch, done)

    async def _classify_failures(self, batch: SyncBatch, done: SweepResult) -> None:
        """Decide if failures concern single orders or the account; raises an error of the account."""
        fresh = any(not self._backoff.is_failing(key.order_id) for key in batch.failed)
        if not done.answered or (
            fresh and batch.consecutive_failures
        ):  # the last answer may have come before the outage
            await self._list_sync.probe()
            done.answered = True
        # If the same orders fail again while the account answers, the account has no new problem.
        is_new = self._breaker.is_open or fresh
        is_account_wide = batch.is_account_wide and is_new
        for key, error in batch.failed.items():
            unexpected = isinstance(error, UnexpectedError)
            self._backoff.on_failure(key, error, should_log=unexpected or not is_account_wide)
        if is_account_wide:
            raise next(error for error in batch.failed.values() if isinstance(error, ProviderError))
        done.problems += [f"order {key.order_id}: {error}" for key, error in batch.failed.items()]
