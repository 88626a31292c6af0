"""Decides on observations of orders, records the verdicts in one transaction, and logs the changes."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from orderwatch.core.geo.invalid import InvalidGeometry, new_invalid
from orderwatch.core.model import Order, OrderKey, OrderState, Subject, Transition, TransitionKind
from orderwatch.core.orders.observe import Rules, Verdict, merge_snapshot, observe
from orderwatch.core.orders.poll_schedule import is_idle, next_look
from orderwatch.core.orders.publication_lag import MAX_PUBLICATIONS, UNLEARNED, Lags, fit_lags
from orderwatch.core.orders.snapshot import Observation, OrderSnapshot
from orderwatch.core.orders.watches import OrderTraits, WatchSet, traits_of
from orderwatch.errors import StaleOrderError, UnexpectedError
from orderwatch.ports import Detail
from orderwatch.service.account_context import AccountContext
from orderwatch.service.error_boundary import contain_errors
from orderwatch.service.log_volume import MAX_LINES, has_details
from orderwatch.service.wakeup import Wakeup

_REFIT = timedelta(hours=1)

Read = Callable[[int], Awaitable[Iterable[tuple[str | None, timedelta]]]]


class LagEstimator:
    """`read` returns that many of the newest lags; `lags` are fitted again every hour."""

    def __init__(self, read: Read, now: Callable[[], datetime]) -> None:
        self._read = read
        self._now = now
        self._fitted_at: datetime | None = None
        self.lags: Lags = UNLEARNED

    async def refit(self) -> Lags:
        """Fit the lags if that is due; returns them."""
        now = self._now()
        if self._fitted_at is None or not self._fitted_at <= now < self._fitted_at + _REFIT:
            self.lags, self._fitted_at = fit_lags(await self._read(MAX_PUBLICATIONS)), now
        return self.lags


log = structlog.get_logger()

_EVENTS = {
    Subject.ORDER: "order.changed",
    Subject.CAPTURE: "capture.changed",
    Subject.DELIVERY: "delivery.wanted",
}


class PageResult(NamedTuple):
    """Orders with a doubted status, and those `skipped` because of an unexpected error."""

    doubted: frozenset[OrderKey] = frozenset()
    skipped: frozenset[OrderKey] = frozenset()


class Recorder:
    """Records observations of one account's orders, and triggers `todo` when deliveries are queued."""

    def __init__(self, context: AccountContext, watched: WatchSet, *, todo: Wakeup) -> None:
        self.account = context.account
        self.watched = watched
        self._store = context.store
        self._pace = context.pace
        self._todo = todo
        self._now = context.now
        self._rng = context.rng
        self._meter = context.meter
        self._lag_estimator = LagEstimator(context.store.history.publication_lags, context.now)
        self._unknown: set[str] = set()
        self._invalid: set[tuple[str, InvalidGeometry]] = set()
        self.changes = 0  # status changes recorded so far

    def rules(self, of: OrderTraits) -> Rules:
        """Return the rules for an order with these traits."""
        return Rules(attachments=self.watched.delivery_plan(of).attachments, grace=self._pace.grace)

    async def refit_lags(self) -> None:
        """Fit the publication lags to the recorded history, if that is due."""
        await self._lag_estimator.refit()

    async def record(
        self,
        order_id: str,
        decide: Callable[[Order | None], Verdict],
        *,
        latest: datetime | None = None,
        write: Callable[[Verdict], Awaitable[None]] | None = None,
    ) -> None:
        """Decide on the order's current row and record the verdict; repeat if the row changed meanwhile.

        `latest` is the latest time of the next poll, after an incomplete one; `write` replaces the default
        write for callers that record more in the same transaction.
        """
        while True:
            known = await self._store.orders.get(self.account, order_id)
            verdict = decide(known)
            next_at = self._next_look(verdict)
            if latest is not None:
                next_at = min(next_at or latest, latest)
            verdict = replace(verdict, order=replace(verdict.order, next_look_at=next_at))
            try:
                await (write or self._store.orders.save)(verdict)
            except StaleOrderError:
                continue
            self._log_changes(known, verdict)
            return

    async def adopt(self, seen: OrderSnapshot) -> Order | None:
        """Return the known order that the provider shows under another id, which it has from now on."""
        if not await self._store.orders.adopt(self.account, [seen.key]):
            return None
        return await self._store.orders.get(self.account, seen.order_id)

    async def record_page(self, rows: Sequence[OrderSnapshot]) -> PageResult:
        """Record a page of the list: all rows together, or one by one after an unexpected error."""
        snapshots = {
            seen.order_id: seen for seen in rows
        }  # if an order is listed twice, the later row counts
        try:
            with contain_errors(account=self.account):
                return PageResult(doubted=await self._record_rows(snapshots))
        except UnexpectedError:
            pass
        doubted: set[OrderKey] = set()
        skipped: set[OrderKey] = set()
        for order_id, seen in snapshots.items():
            try:
                with contain_errors(account=self.account, **seen.key._asdict()):
                    doubted |= await self._record_rows({order_id: seen})
            except UnexpectedError:
                skipped.add(seen.key)
        return PageResult(frozenset(doubted), frozenset(skipped))

    async def _record_rows(self, snapshots: Mapping[str, OrderSnapshot]) -> frozenset[OrderKey]:
        while True:
            known = await self._store.orders.get_many(self.account, snapshots, Detail.NONE)
            new = [seen.key for seen in snapshots.values() if seen.order_id not in known]
            if new and await self._store.orders.adopt(self.account, new):
                continue
            verdicts = [
                v for seen in snapshots.values() if (v := self._decide_on_row(known.get(seen.order_id), seen))
            ]
            try:
                if verdicts:
                    await self._store.orders.save_all(verdicts)
            except StaleOrderError:
                continue
            for verdict in verdicts:
                self._log_changes(known.get(verdict.order.order_id), verdict)
            return frozenset(v.order.key for v in verdicts if v.order.status.doubts)

    def _decide_on_row(self, known: Order | None, seen: OrderSnapshot) -> Verdict | None:
        """Return the verdict on a row, None if it is not watched or unchanged; may make a poll due."""
        traits = traits_of(seen if known is None else merge_snapshot(known, seen))
        if not self._is_watched(known, traits):
            return None
        if known is not None and not _is_new(known, seen):
            return None
        now = self._now()
        if (
            known is not None and known.state is OrderState.LOST
        ):  # only the order itself can prove that it exists
            return Verdict(order=replace(known, next_look_at=now))
        verdict = observe(
            known, Observation(account=self.account, order=seen, captures=None), now, self.rules(traits)
        )
        if is_idle(verdict.order, now):
            next_at = self._next_look(verdict)
        elif known is None or verdict.transitions:
            next_at = now
        else:
            next_at = known.next_look_at
        return replace(verdict, order=replace(verdict.order, next_look_at=next_at))

    def _is_watched(self, known: Order | None, traits: OrderTraits) -> bool:
        """Return whether the order is watched, by its new or its known traits."""
        if known is None:
            return self.watched.matches_new(traits)
        return self.watched.still_matches(traits) or self.watched.still_matches(traits_of(known))

    def _next_look(self, verdict: Verdict) -> datetime | None:
        return next_look(
            verdict.order,
            self._now(),
            self._pace,
            self._rng.random(),
            lags=self._lag_estimator.lags,
            moved=bool(verdict.transitions),
        )

    def _log_changes(self, known: Order | None, verdict: Verdict) -> None:
        order = verdict.order
        self.changes += len(verdict.transitions)
        self._log_transitions(known, verdict)
        for word in set(verdict.unknown) - self._unknown:
            self._unknown.add(word)
            log.warning("status.unknown", account=self.account, word=word)
        for found in new_invalid(known, order, verdict.wanted):
            if (order.order_id, found) not in self._invalid:  # a list and an order may differ in turn
                self._invalid.add((order.order_id, found))
                log.warning(
                    "geometry.invalid", account=self.account, **order.key._asdict(), **found._asdict()
                )
        if order.state is OrderState.DONE and (known is None or known.state is not OrderState.DONE):
            log.info("order.done", account=self.account, **order.key._asdict())
        if verdict.wanted:
            self._todo.trigger()

    def _log_transitions(self, known: Order | None, verdict: Verdict) -> None:
        queued = len(verdict.wanted)
        for transition in verdict.transitions:
            if known is not None and (before := _last_observed(known, transition)) is not None:
                self._meter.discovered(max(timedelta(0), transition.at - before))
            is_one_of_many = transition.subject is Subject.DELIVERY and queued > MAX_LINES
            if is_one_of_many and not has_details():
                continue
            write_log = log.debug if is_one_of_many else log.info
            is_odd = transition.kind in {TransitionKind.ODD, TransitionKind.UNKNOWN}
            write_log = log.warning if is_odd else write_log
            write_log(
                _EVENTS[transition.subject],
                account=transition.account,
                order_id=transition.order_id,
                task_id=transition.task_id,
                capture_id=transition.capture_id,
                scene_id=transition.scene_id,
                before=transition.before,
                after=transition.after,
                kind=transition.kind,
                detail=transition.detail,
            )
        if queued > MAX_LINES:
            log.info("deliveries.wanted", account=self.account, **verdict.order.key._asdict(), count=queued)


def _last_observed(known: Order, transition: Transition) -> datetime | None:
    """Return when the former status was last observed; None for a delivery, which follows from a poll."""
    match transition.subject:
        case Subject.ORDER:
            return known.shown_at
        case Subject.CAPTURE:
            return known.looked_at
        case Subject.DELIVERY:
            return None


def _is_new(known: Order, seen: OrderSnapshot) -> bool:
    return bool(
        (seen.status and known.status.word != seen.status)
        or (seen.phase is not None and (known.status.doubts > 0 or known.status.phase is None))
        or known.state is OrderState.LOST
        or merge_snapshot(known, seen) != known
    )
