"""Looks at the orders of one account: lists where patterns are watched, then looks at what is due."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from orderwatch.core.cadence import Pace
from orderwatch.core.seen import SeenOrder
from orderwatch.core.watching import Watched
from orderwatch.errors import ProviderError, RefusedError, UnavailableError
from orderwatch.ports import Store, Tasking
from orderwatch.service.bell import Bell
from orderwatch.service.looker import Looker
from orderwatch.service.outage import Outage

log = structlog.get_logger()

_AT_ONCE = 4  # looks under way together, and failures in a row that make an outage; the pacer sets the rate


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
        looker: Looker,
        store: Store,
        *,
        pace: Pace,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._account = account
        self._watched = watched
        self._tasking = tasking
        self._store = store
        self._pace = pace
        self._now = now
        self._rng = rng
        self._looker = looker
        self._outage = Outage(account, min(pace.interval, timedelta(seconds=30)), now, rng)
        self._list_due: datetime | None = None
        self._held_off: dict[int, datetime] = {}  # orders whose last look failed
        self._troubled: dict[int, str] = {}  # why, as it was said
        self._list_trouble: str | None = None

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
            due = await self._due(done, everything=everything)
            await self._look_at(due, done, everything=everything)
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
            self._list_works()
        except (UnavailableError, RefusedError):
            raise
        except ProviderError as error:
            if str(error) != self._list_trouble:
                log.warning("list.failed", account=self._account, reason=str(error), read=len(listed))
            self._list_trouble = str(error)
            done.problems.append(f"account {self._account}: {error}")
        self._list_due = now + self._pace.interval
        return listed

    async def _look_at(self, due: Mapping[int, SeenOrder | None], done: Round, *, everything: bool) -> None:
        """Look at some at once, in any order: one that fails must not stand before the others for ever."""
        turns = asyncio.Semaphore(_AT_ONCE)
        enough = 1 if self._outage.lasts else _AT_ONCE
        failed: dict[int, ProviderError] = {}
        in_a_row = 0

        async def look(task_id: int) -> None:
            nonlocal in_a_row
            async with turns:
                if in_a_row >= enough:
                    return
                try:
                    await self._looker.look(task_id, due[task_id], everything=everything)
                except (UnavailableError, RefusedError) as error:
                    failed[task_id] = error
                    in_a_row += 1
                except ProviderError as error:
                    self._hold_off(task_id, error, done)
                else:
                    in_a_row = 0
                    done.looked += 1
                    self._answered(done)
                    self._restored(task_id)

        async with asyncio.TaskGroup() as looks:
            for task_id in self._rng.sample(list(due), len(due)):
                looks.create_task(look(task_id))
        if failed and (in_a_row >= enough or not done.answered):
            raise next(iter(failed.values()))
        for task_id, error in failed.items():
            self._hold_off(task_id, error, done)  # the account answers: it is this order's own trouble

    def _answered(self, done: Round) -> None:
        done.answered = True
        self._outage.succeeded()

    def _hold_off(self, task_id: int, error: ProviderError, done: Round) -> None:
        self._held_off[task_id] = self._now() + self._pace.interval
        if self._troubled.get(task_id) != str(error):
            log.warning("order.look_failed", account=self._account, task_id=task_id, reason=str(error))
        self._troubled[task_id] = str(error)
        done.problems.append(f"order {task_id}: {error}")

    def _restored(self, task_id: int) -> None:
        if self._troubled.pop(task_id, None) is not None:
            log.info("order.look_restored", account=self._account, task_id=task_id)

    def _list_works(self) -> None:
        if self._list_trouble is not None:
            log.info("list.restored", account=self._account)
        self._list_trouble = None
