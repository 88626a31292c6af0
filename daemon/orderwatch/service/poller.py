"""Looks at the orders of one account: lists where patterns are watched, then looks at what is due."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from orderwatch.core.cadence import Pace, next_look, scenes_due
from orderwatch.core.machine import Rules, Verdict, observe, observe_missing
from orderwatch.core.model import Kind, Order, OrderState, Subject
from orderwatch.core.seen import Look, SeenOrder, SeenScene
from orderwatch.core.watching import Watched
from orderwatch.errors import MissingError, ProviderError, RefusedError, StaleOrderError, UnavailableError
from orderwatch.ports import Archive, Store, Tasking
from orderwatch.service.bell import Bell
from orderwatch.service.outage import Outage

log = structlog.get_logger()

_AT_ONCE = 4  # looks under way together; the pacer sets the rate
_EVENTS = {
    Subject.ORDER: "order.moved",
    Subject.CAPTURE: "capture.moved",
    Subject.DELIVERY: "delivery.wanted",
}


@dataclass
class Round:
    """What one round over an account came to."""

    looked: int = 0
    answered: bool = False  # the account gave at least one good answer
    problems: list[str] = field(default_factory=list)
    refused: bool = False


class Poller:
    def __init__(
        self,
        account: str,
        watched: Watched,
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
        self._watched = watched
        self._tasking = tasking
        self._archive = archive
        self._store = store
        self._rules = rules
        self._pace = pace
        self._todo = todo
        self._now = now
        self._rng = rng
        self._outage = Outage(account, min(pace.interval, timedelta(seconds=30)), now, rng)
        self._list_due: datetime | None = None
        self._held_off: dict[int, datetime] = {}  # orders whose last look failed
        self._suspects: set[int] = set()  # orders at whose look the account fell silent
        self._unknown: set[str] = set()

    async def run(self, tick: Bell) -> None:
        """Round after round, whenever the bell rings; known trouble never ends it."""
        while True:
            ticket = tick.ticket()
            await self.round()
            await ticket.wait()

    async def round(self, *, everything: bool = False) -> Round:
        """Look at every order that is due; with `everything` at each one that is open."""
        done = Round()
        if self._outage.holds and not everything:
            return done
        try:
            await self._look_at(await self._due(done, everything=everything), done)
        except (UnavailableError, RefusedError) as error:
            self._outage.failed(error)
            done.problems.append(f"account {self._account}: {error}")
            done.refused = isinstance(error, RefusedError)
        return done

    async def _due(self, done: Round, *, everything: bool) -> Mapping[int, SeenOrder | None]:
        """The orders to look at, with what the list already showed of them."""
        now = self._now()
        due: dict[int, SeenOrder | None] = {}
        words = await self._store.words(self._account)
        for known in await self._store.watchable(self._account, None if everything else now):
            if self._watched.wants(*known):
                due[known.task_id] = None
        due.update(dict.fromkeys(self._watched.task_ids - words.keys()))
        for seen in await self._listed(now, done, everything=everything):
            moved = words.get(seen.task_id) != seen.status
            wanted = self._watched.wants(seen.task_id, seen.project_name, seen.task_name)
            if seen.task_id in due or (moved and wanted):
                due[seen.task_id] = seen
        self._held_off = {task_id: until for task_id, until in self._held_off.items() if until > now}
        return due if everything else {t: seen for t, seen in due.items() if t not in self._held_off}

    async def _listed(self, now: datetime, done: Round, *, everything: bool) -> Sequence[SeenOrder]:
        """Every order of the account, once per interval, where names have to be matched."""
        if not self._watched.patterns or not (everything or self._list_due is None or now >= self._list_due):
            return []
        listed = []
        try:
            async for seen in self._tasking.orders():
                listed.append(seen)  # noqa: PERF401 - what was read before a bad page counts
            self._answered(done)
        except (UnavailableError, RefusedError):
            raise
        except ProviderError as error:
            log.warning("list.failed", account=self._account, reason=str(error), read=len(listed))
            done.problems.append(f"account {self._account}: {error}")
        self._list_due = now + self._pace.interval
        return listed

    async def _look_at(self, due: Mapping[int, SeenOrder | None], done: Round) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)
        stopped: list[ProviderError] = []

        async def look(task_id: int, seen: SeenOrder | None) -> None:
            async with turns:
                if stopped:
                    return
                try:
                    await self._look(task_id, seen)
                    done.looked += 1
                    self._suspects.discard(task_id)
                    self._answered(done)
                except (UnavailableError, RefusedError) as error:
                    if task_id in self._suspects and done.answered:
                        self._hold_off(task_id, error, done)  # it is this order, not the account
                    else:
                        self._suspects.add(task_id)
                        stopped.append(error)
                except ProviderError as error:
                    self._hold_off(task_id, error, done)

        suspects_last = sorted(due, key=self._suspects.__contains__)  # so that none starves the others
        async with asyncio.TaskGroup() as looks:
            for task_id in suspects_last:
                looks.create_task(look(task_id, due[task_id]))
        if stopped:
            raise stopped[0]

    def _answered(self, done: Round) -> None:
        done.answered = True
        self._outage.succeeded()

    def _hold_off(self, task_id: int, error: ProviderError, done: Round) -> None:
        self._held_off[task_id] = self._now() + self._pace.interval
        log.warning("order.look_failed", account=self._account, task_id=task_id, reason=str(error))
        done.problems.append(f"order {task_id}: {error}")

    async def _look(self, task_id: int, seen: SeenOrder | None) -> None:
        """One look at one order. What was seen before a failure is recorded all the same."""
        try:
            seen = seen or await self._tasking.order(task_id)
        except MissingError:
            await self._record(
                task_id, lambda order: observe_missing(order, self._account, task_id, self._now())
            )
            return
        look = Look(account=self._account, order=seen, captures=tuple(await self._tasking.captures(task_id)))
        scenes, trouble = await self._scenes(look)
        look = replace(look, scenes=scenes)
        await self._record(task_id, lambda order: observe(order, look, self._now(), self._rules))
        if trouble is not None:
            raise trouble

    async def _scenes(self, look: Look) -> tuple[dict[str, tuple[SeenScene, ...]], ProviderError | None]:
        """The scenes of every published capture worth asking for, up to the first failure."""
        now = self._now()
        known = await self._store.order(self._account, look.order.task_id)
        order = observe(known, look, now, self._rules).order
        scenes: dict[str, tuple[SeenScene, ...]] = {}
        try:
            for capture in order.captures:
                if scenes_due(order, capture, now, self._pace):
                    scenes[capture.capture_id] = tuple(await self._archive.scenes(capture.capture_id))
        except ProviderError as error:
            return scenes, error
        return scenes, None

    async def _record(self, task_id: int, decide: Callable[[Order | None], Verdict]) -> None:
        """Decide on the order as it is now, record it; decide anew if it was written meanwhile."""
        while True:
            known = await self._store.order(self._account, task_id)
            verdict = decide(known)
            when = next_look(verdict.order, self._now(), self._pace, self._rng.random())
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
