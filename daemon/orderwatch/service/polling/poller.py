"""Looks at the orders of one account: lists them where that pays, then looks at what is due."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orderwatch.core.orders.poll_schedule import Pace, farthest
from orderwatch.core.orders.watches import WatchSet
from orderwatch.errors import ProviderError, RefusedError, UnexpectedError
from orderwatch.ports import UNMETERED, Meter, Store
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.liveness import Worker, unsupervised
from orderwatch.service.polling.list_sync import ListResult, ListSync
from orderwatch.service.polling.order_backoff import OrderBackoff
from orderwatch.service.polling.order_sync import OrderSync
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.polling.sync_batch import AT_ONCE, SyncBatch
from orderwatch.service.wakeup import Wakeup


@dataclass
class SweepResult:
    """What one round over an account came to."""

    looked: int = 0
    listed: int = 0  # orders that the list showed
    asked: bool = False  # anything at all
    answered: bool = False  # the account gave at least one good answer
    put_off: bool = False  # the list was due again before every look was taken
    swept: bool = False  # all that was due was asked for and answered
    problems: list[str] = field(default_factory=list)
    refused: bool = False


class Poller:
    """`member` is one with that of its lister and its looker, who beat with every answer.

    `heard` is told what each round of `run` came to.
    """

    def __init__(
        self,
        recorder: Recorder,
        list_sync: ListSync,
        order_sync: OrderSync,
        breaker: AccountBreaker,
        store: Store,
        *,
        pace: Pace,
        now: Callable[[], datetime],
        rng: random.Random,
        meter: Meter = UNMETERED,
        worker: Worker | None = None,
        heard: Callable[[SweepResult], object] = lambda _: None,
    ) -> None:
        self._recorder = recorder
        self._account = recorder.account
        self._watched: WatchSet = recorder.watched
        self._list_sync = list_sync
        self._order_sync = order_sync
        self._breaker = breaker
        self._store = store
        self._pace = pace
        self._now = now
        self._rng = rng
        self._meter = meter
        self._heard = heard
        self._worker = worker or unsupervised()
        self._patience = OrderBackoff(recorder.account, pace, now)
        self._lists = False  # once per interval
        self._listed_at: datetime | None = None
        self._was_answered = False

    async def run(self, tick: Wakeup) -> None:
        """Round after round, whenever the bell rings; known trouble never ends it."""
        with self._worker:
            while True:
                self._worker.progress()
                ticket = tick.subscribe()
                done = await self.round()
                self._heard(done)
                if not done.put_off:
                    await ticket.wait()

    def stepped(self, by: timedelta) -> None:
        """Our clock was set: the list is due at once, and nothing waits longer for it."""
        self._listed_at = None
        self._breaker.stepped(by)
        self._patience.stepped(by)

    async def round(self, *, everything: bool = False) -> SweepResult:
        """Look at every order that is due; with `everything` at each one that is open."""
        done = SweepResult()
        if self._breaker.blocks_now and not everything:
            return done
        try:
            await self._recorder.learn()
            listing = await self._list(done, everything=everything)
            await self._look(listing or ListResult(), done, everything=everything)
            if not done.asked and self._should_probe():
                await self._list_sync.probe()
                done.answered = True
        except ProviderError as error:
            await self._breaker.failed(error)
            done.problems.append(f"account {self._account}: {error}")
            done.refused = isinstance(error, RefusedError)
        else:
            if done.answered:
                self._was_answered = True
                await self._breaker.succeeded()
            if done.answered or not done.asked:
                done.swept = True
                self._meter.swept()
        return done

    def _should_probe(self) -> bool:
        """Nothing was due by our clock, so who knows whether the account answers, and what time it is."""
        if self._breaker.is_open or self._breaker.is_suspect:
            return True
        return bool(self._watched.watches) and not self._was_answered

    async def _list(self, done: SweepResult, *, everything: bool) -> ListResult | None:
        """Read the list: once per interval for patterns and for orders of ours, else where it costs less."""
        listing: ListResult | None = None
        self._lists = bool(self._watched.patterns) or await self._store.has_ours(self._account)
        if self._lists:
            if everything or self._list_is_due():
                listing = await self._list_sync.read()
                self._listed_at = self._now()
        else:
            due = await self._due(everything=everything)
            if len(due) > self._list_sync.pages:
                listing = await self._list_sync.read(due)
        if listing is None:
            return None
        done.asked = True
        done.answered = listing.whole or bool(listing.shown)
        done.listed = len(listing.shown)
        if listing.trouble is not None:
            done.problems.append(f"account {self._account}: {listing.trouble}")
        return listing

    def _list_is_due(self) -> bool:
        return not self._lately(self._listed_at)

    def _lately(self, moment: datetime | None) -> bool:
        """Within the last interval; a moment to come can only be of a clock that was set back."""
        return moment is not None and moment <= self._now() < moment + self._pace.interval

    async def _due(self, *, everything: bool, left: Collection[int] = ()) -> list[int]:
        """In any order: one that fails must not stand before the others for ever.

        What was `left` when the list was taken in is due: the look records it, or says why it cannot.
        """
        ids = self._watched.task_ids
        due = set(await self._store.unknown(self._account, ids)) if ids else set()
        due |= set(left)
        now = self._now()
        by, beyond = (None, None) if everything else (now, now + farthest(self._pace))
        for known in await self._store.watchable(self._account, by, beyond):
            if self._watched.still_matches(known):
                due.add(known.task_id)
        if not everything:
            due = {task_id for task_id in due if not self._patience.holds(task_id)}
        return self._rng.sample(sorted(due), len(due))

    async def _look(self, listing: ListResult, done: SweepResult, *, everything: bool) -> None:
        def put_off() -> bool:
            """Many looks take long, and must not keep the list waiting: the others come after it."""
            done.put_off |= not everything and self._lists and self._list_is_due()
            return done.put_off

        unsure = self._breaker.is_open or self._breaker.is_suspect
        enough = 1 if unsure and not done.answered else AT_ONCE
        looks = SyncBatch(self._order_sync, enough=enough, everything=everything, put_off=put_off)
        due = await self._due(everything=everything, left=listing.left)
        await looks.take(due, listing.shown, listing.left)
        done.looked = len(looks.good)
        done.asked |= looks.answered or bool(looks.failed)
        done.answered |= looks.answered
        for task_id in looks.good:
            self._patience.restored(task_id)
        if looks.failed:
            await self._judge(looks, done)

    async def _judge(self, looks: SyncBatch, done: SweepResult) -> None:
        """Whether it is the orders' own trouble or the account's, which is raised."""
        fresh = any(not self._patience.knows(task_id) for task_id in looks.failed)
        if not done.answered or (fresh and looks.in_a_row):  # the last answer may have been just that
            await self._list_sync.probe()
            done.answered = True
        # The same orders failing again are no new trouble of the account, which answers.
        news = self._breaker.is_open or fresh
        wide = looks.wide and news
        for task_id, error in looks.failed.items():
            unexpected = isinstance(error, UnexpectedError)
            self._patience.failed(task_id, error, aloud=unexpected or not wide)
        if wide:
            raise next(error for error in looks.failed.values() if isinstance(error, ProviderError))
        done.problems += [f"order {task_id}: {error}" for task_id, error in looks.failed.items()]
