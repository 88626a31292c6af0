"""What was seen is decided upon, recorded in one transaction, and said."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from orderwatch.core.model import Order, OrderState, Subject, Transition, TransitionKind
from orderwatch.core.orders.observe import Rules, Verdict, observe, status_reasons
from orderwatch.core.orders.poll_schedule import Pace, is_idle, next_look
from orderwatch.core.orders.snapshot import Observation, OrderSnapshot
from orderwatch.core.orders.watches import OrderTraits, WatchSet, traits_of
from orderwatch.errors import StaleOrderError, UnexpectedError
from orderwatch.ports import UNMETERED, Meter, Store
from orderwatch.service.error_boundary import contained
from orderwatch.service.polling.lag_estimator import LagEstimator
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_EVENTS = {
    Subject.ORDER: "order.changed",
    Subject.CAPTURE: "capture.changed",
    Subject.DELIVERY: "delivery.wanted",
}


class Recorded(NamedTuple):
    """Orders whose word is in doubt, and those that are `left`: an error of our own was in the way."""

    doubted: frozenset[int] = frozenset()
    left: frozenset[int] = frozenset()


class Recorder:
    """Records what is seen of one account's orders, and rings `todo` where there is something to fetch."""

    def __init__(
        self,
        account: str,
        watched: WatchSet,
        store: Store,
        *,
        pace: Pace,
        todo: Wakeup,
        now: Callable[[], datetime],
        rng: random.Random,
        meter: Meter = UNMETERED,
    ) -> None:
        self.account = account
        self.watched = watched
        self._store = store
        self._pace = pace
        self._todo = todo
        self._now = now
        self._rng = rng
        self._meter = meter
        self._learned = LagEstimator(store.lags, now)
        self._unknown: set[str] = set()

    def rules(self, of: OrderTraits) -> Rules:
        return Rules(attachments=self.watched.delivery_plan(of).attachments, grace=self._pace.grace)

    async def learn(self) -> None:
        """Fit the lags anew to our own history, now and then."""
        await self._learned.renewed()

    async def record(
        self,
        task_id: int,
        decide: Callable[[Order | None], Verdict],
        *,
        latest: datetime | None = None,
        write: Callable[[Verdict], Awaitable[None]] | None = None,
    ) -> None:
        """Decide on the order as it is now, record it; decide anew if it was written meanwhile.

        `latest` is when to look again at the latest, after a look that did not see everything; `write` is for
        who has more to write in the same transaction.
        """
        while True:
            known = await self._store.order(self.account, task_id)
            verdict = decide(known)
            when = self._next_look(verdict)
            if latest is not None:
                when = min(when or latest, latest)
            verdict = replace(verdict, order=replace(verdict.order, next_look_at=when))
            try:
                await (write or self._store.apply)(verdict)
            except StaleOrderError:
                continue
            self._say(known, verdict)
            return

    async def take_in(self, rows: Sequence[OrderSnapshot]) -> Recorded:
        """Record what a page of the list shows anew: all together, or one by one where one is in the way."""
        newest = {seen.task_id: seen for seen in rows}  # shown twice: what is read later is newer, and counts
        try:
            with contained(account=self.account):
                return Recorded(doubted=await self._take_in(newest))
        except UnexpectedError:
            pass
        doubted: set[int] = set()
        left: set[int] = set()
        for task_id, seen in newest.items():
            try:
                with contained(account=self.account, task_id=task_id):
                    doubted |= await self._take_in({task_id: seen})
            except UnexpectedError:
                left.add(task_id)
        return Recorded(frozenset(doubted), frozenset(left))

    async def _take_in(self, newest: Mapping[int, OrderSnapshot]) -> frozenset[int]:
        while True:
            known = await self._store.orders_of(self.account, newest)
            verdicts = [v for seen in newest.values() if (v := self._listed(known.get(seen.task_id), seen))]
            try:
                if verdicts:
                    await self._store.apply_all(verdicts)
            except StaleOrderError:
                continue
            for verdict in verdicts:
                self._say(known.get(verdict.order.task_id), verdict)
            return frozenset(v.order.task_id for v in verdicts if v.order.status.doubts)

    def _listed(self, known: Order | None, seen: OrderSnapshot) -> Verdict | None:
        """What a row of the list moves, if it is watched and moves anything; a look may be due then."""
        names = traits_of(seen if known is None else status_reasons(known, seen))
        if not self._is_watched(known, names):
            return None
        if known is not None and not _is_news(known, seen):
            return None
        now = self._now()
        if known is not None and known.state is OrderState.LOST:  # the order itself is to say it
            return Verdict(order=replace(known, next_look_at=now))
        verdict = observe(
            known, Observation(account=self.account, order=seen, captures=None), now, self.rules(names)
        )
        if is_idle(verdict.order, now):
            when = self._next_look(verdict)
        elif known is None or verdict.transitions:
            when = now
        else:
            when = known.next_look_at
        return replace(verdict, order=replace(verdict.order, next_look_at=when))

    def _is_watched(self, known: Order | None, names: OrderTraits) -> bool:
        """A known order's new names are taken in even where they take it out of every watch."""
        if known is None:
            return self.watched.matches_new(names)
        return self.watched.still_matches(names) or self.watched.still_matches(traits_of(known))

    def _next_look(self, verdict: Verdict) -> datetime | None:
        return next_look(
            verdict.order,
            self._now(),
            self._pace,
            self._rng.random(),
            lags=self._learned.lags,
            moved=bool(verdict.transitions),
        )

    def _say(self, known: Order | None, verdict: Verdict) -> None:
        order = verdict.order
        for move in verdict.transitions:
            if known is not None and (before := _looked_before(known, move)) is not None:
                self._meter.discovered(max(timedelta(0), move.at - before))
            say = log.warning if move.kind in {TransitionKind.ODD, TransitionKind.UNKNOWN} else log.info
            say(
                _EVENTS[move.subject],
                account=move.account,
                task_id=move.task_id,
                capture_id=move.capture_id,
                scene_id=move.scene_id,
                before=move.before,
                after=move.after,
                kind=move.kind,
                detail=move.detail,
            )
        for word in set(verdict.unknown) - self._unknown:
            self._unknown.add(word)
            log.warning("status.unknown", account=self.account, word=word)
        if order.state is OrderState.DONE and (known is None or known.state is not OrderState.DONE):
            log.info("order.done", account=self.account, task_id=order.task_id)
        if verdict.wanted:
            self._todo.trigger()


def _looked_before(known: Order, move: Transition) -> datetime | None:
    """When it was not so yet, as far as we saw; a delivery follows from what a look shows."""
    match move.subject:
        case Subject.ORDER:
            return known.shown_at
        case Subject.CAPTURE:
            return known.looked_at
        case Subject.DELIVERY:
            return None


def _is_news(known: Order, seen: OrderSnapshot) -> bool:
    return bool(
        (seen.status and known.status.word != seen.status)
        or (seen.phase is not None and (known.status.doubts > 0 or known.status.phase is None))
        or known.state is OrderState.LOST
        or status_reasons(known, seen) != known
    )
