"""One look at one order: what was seen is decided upon and recorded in one transaction."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from orderwatch.core.cadence import Pace, next_look, scenes_due
from orderwatch.core.machine import Rules, Verdict, observe, observe_missing
from orderwatch.core.model import Kind, Order, OrderState, Subject
from orderwatch.core.seen import Look, SeenCapture, SeenOrder, SeenScene
from orderwatch.errors import AnswerError, MissingError, ProviderError, StaleOrderError
from orderwatch.ports import Archive, Store, Tasking
from orderwatch.service.bell import Bell

log = structlog.get_logger()

_ENOUGH = 3  # captures of one order whose scenes cannot be had, before the next look tries again
_EVENTS = {
    Subject.ORDER: "order.moved",
    Subject.CAPTURE: "capture.moved",
    Subject.DELIVERY: "delivery.wanted",
}


class Looker:
    """Looks at the orders of one account, and rings `todo` where there is something to fetch."""

    def __init__(
        self,
        account: str,
        tasking: Tasking,
        archive: Archive,
        store: Store,
        *,
        rules: Rules,
        pace: Pace,
        todo: Bell,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._account = account
        self._tasking = tasking
        self._archive = archive
        self._store = store
        self._rules = rules
        self._pace = pace
        self._todo = todo
        self._now = now
        self._rng = rng
        self._unknown: set[str] = set()

    async def look(self, task_id: int, seen: SeenOrder | None, *, everything: bool) -> None:
        """One look at one order. What was seen before a failure is recorded all the same."""
        try:
            seen = seen or await self._tasking.order(task_id)
        except MissingError:
            await self._record(
                task_id, lambda order: observe_missing(order, self._account, task_id, self._now())
            )
            return
        captures, trouble = await self._captures(task_id)
        look = Look(account=self._account, order=seen, captures=captures)
        scenes, more = await self._scenes(look, everything=everything)
        look = replace(look, scenes=scenes)
        failed = trouble or more
        await self._record(
            task_id,
            lambda order: observe(order, look, self._now(), self._rules),
            latest=self._now() + self._pace.interval if failed else None,
        )
        if failed is not None:
            raise failed

    async def _captures(self, task_id: int) -> tuple[tuple[SeenCapture, ...], ProviderError | None]:
        """Every capture of the order, or those on the pages before one that failed."""
        captures = []
        try:
            async for capture in self._tasking.captures(task_id):
                captures.append(capture)  # noqa: PERF401 - what was read before a bad page counts
        except MissingError as error:
            return tuple(captures), AnswerError(f"the order is there, but {error}")
        except ProviderError as error:
            return tuple(captures), error
        return tuple(captures), None

    async def _scenes(
        self, look: Look, *, everything: bool
    ) -> tuple[dict[str, tuple[SeenScene, ...]], ProviderError | None]:
        """The scenes of every published capture worth asking for; one that fails does not hide the others."""
        now = self._now()
        known = await self._store.order(self._account, look.order.task_id)
        order = observe(known, look, now, self._rules).order
        scenes: dict[str, tuple[SeenScene, ...]] = {}
        failed: list[ProviderError] = []
        for capture in order.captures:
            asked = everything and capture.published_at is not None
            if len(failed) < _ENOUGH and (asked or scenes_due(order, capture, now, self._pace)):
                try:
                    scenes[capture.capture_id] = tuple(await self._archive.scenes(capture.capture_id))
                except ProviderError as error:
                    failed.append(error)
        return scenes, failed[0] if failed else None

    async def _record(
        self, task_id: int, decide: Callable[[Order | None], Verdict], *, latest: datetime | None = None
    ) -> None:
        """Decide on the order as it is now, record it; decide anew if it was written meanwhile.

        `latest` is when to look again at the latest, after a look that did not see everything.
        """
        while True:
            known = await self._store.order(self._account, task_id)
            verdict = decide(known)
            when = next_look(verdict.order, self._now(), self._pace, self._rng.random())
            if latest is not None:
                when = min(when or latest, latest)
            verdict = replace(verdict, order=replace(verdict.order, next_look_at=when))
            try:
                await self._store.apply(verdict)
            except StaleOrderError:
                continue
            self._say(verdict)
            if verdict.order.state is OrderState.DONE and (
                known is None or known.state is not OrderState.DONE
            ):
                log.info("order.done", account=self._account, task_id=task_id)
            if verdict.wanted:
                self._todo.ring()
            return

    def _say(self, verdict: Verdict) -> None:
        for move in verdict.transitions:
            say = log.warning if move.kind in {Kind.ODD, Kind.UNKNOWN} else log.info
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
            log.warning("word.unknown", account=self._account, word=word)
