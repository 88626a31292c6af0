"""Looks at the orders of one account: lists them where that pays, then looks at what is due."""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from orderwatch.core.cadence import Pace
from orderwatch.core.watching import Watched
from orderwatch.errors import ProviderError, RefusedError, UnavailableError
from orderwatch.ports import Store
from orderwatch.service.bell import Bell
from orderwatch.service.gate import Gate
from orderwatch.service.lister import Lister, Listing
from orderwatch.service.looker import Looker
from orderwatch.service.recorder import Recorder

log = structlog.get_logger()

_AT_ONCE = 4  # looks under way together, and failures in a row that make an outage; the pacer sets the rate


@dataclass
class Round:
    """What one round over an account came to."""

    looked: int = 0
    listed: int = 0  # orders that the list showed
    answered: bool = False  # the account gave at least one good answer
    put_off: bool = False  # the list was due again before every look was taken
    problems: list[str] = field(default_factory=list)
    refused: bool = False


class Poller:
    def __init__(
        self,
        recorder: Recorder,
        lister: Lister,
        looker: Looker,
        gate: Gate,
        store: Store,
        *,
        pace: Pace,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._recorder = recorder
        self._account = recorder.account
        self._watched: Watched = recorder.watched
        self._lister = lister
        self._looker = looker
        self._gate = gate
        self._store = store
        self._pace = pace
        self._now = now
        self._rng = rng
        self._listed_at: datetime | None = None
        self._held_off: dict[int, datetime] = {}  # orders whose last look failed, and when
        self._troubled: dict[int, str] = {}  # why, as it was said

    async def run(self, tick: Bell) -> None:
        """Round after round, whenever the bell rings; known trouble never ends it."""
        while True:
            ticket = tick.ticket()
            done = await self.round()
            if not done.put_off:
                await ticket.wait()

    async def round(self, *, everything: bool = False) -> Round:
        """Look at every order that is due; with `everything` at each one that is open."""
        done = Round()
        if self._gate.holds and not everything:
            return done
        try:
            await self._recorder.learn()
            shown = await self._list(done, everything=everything)
            due = await self._due(everything=everything)
            await self._look_at(due, shown, done, everything=everything)
            if done.answered:
                await self._gate.succeeded()
        except (UnavailableError, RefusedError) as error:
            await self._gate.failed(error)
            done.problems.append(f"account {self._account}: {error}")
            done.refused = isinstance(error, RefusedError)
        return done

    async def _list(self, done: Round, *, everything: bool) -> Collection[int]:
        """Read the list: once per interval for patterns, else where it is cheaper than the looks."""
        listing: Listing | None = None
        if self._watched.patterns:
            if everything or self._list_is_due():
                listing = await self._lister.read()
                self._listed_at = self._now()
        else:
            due = await self._due(everything=everything)
            if len(due) > self._lister.pages:
                listing = await self._lister.read(due)
        if listing is None:
            return ()
        done.answered = True
        done.listed = len(listing.shown)
        if listing.trouble is not None:
            done.problems.append(f"account {self._account}: {listing.trouble}")
        return listing.shown

    def _list_is_due(self) -> bool:
        return not self._lately(self._listed_at)

    def _lately(self, moment: datetime | None) -> bool:
        """Within the last interval; a moment to come can only be of a clock that was set back."""
        return moment is not None and moment <= self._now() < moment + self._pace.interval

    async def _due(self, *, everything: bool) -> list[int]:
        ids = self._watched.task_ids
        due = set(await self._store.unknown(self._account, ids)) if ids else set()
        for known in await self._store.watchable(self._account, None if everything else self._now()):
            if self._watched.follows(known):
                due.add(known.task_id)
        self._held_off = {t: at for t, at in self._held_off.items() if self._lately(at)}
        return list(due if everything else due - self._held_off.keys())

    async def _look_at(
        self, due: Collection[int], shown: Collection[int], done: Round, *, everything: bool
    ) -> None:
        """Look at some at once, in any order: one that fails must not stand before the others for ever."""
        turns = asyncio.Semaphore(_AT_ONCE)
        enough = 1 if self._gate.lasts else _AT_ONCE
        failed: dict[int, UnavailableError | RefusedError] = {}
        in_a_row = 0

        async def look(task_id: int) -> None:
            nonlocal in_a_row
            async with turns:
                if in_a_row >= enough or self._is_put_off(done, everything=everything):
                    return
                try:
                    asked = await self._looker.look(task_id, listed=task_id in shown, everything=everything)
                except (UnavailableError, RefusedError) as error:
                    failed[task_id] = error
                    in_a_row += 1
                except ProviderError as error:
                    self._hold_off(task_id, error, done)
                else:
                    done.looked += 1
                    self._restored(task_id)
                    if asked:
                        in_a_row = 0
                        done.answered = True
                        await self._gate.succeeded()

        async with asyncio.TaskGroup() as looks:
            for task_id in self._rng.sample(list(due), len(due)):
                looks.create_task(look(task_id))
        if failed and (in_a_row >= enough or not done.answered):
            raise next(iter(failed.values()))
        for task_id, error in failed.items():
            self._hold_off(task_id, error, done)  # the account answers: it is this order's own trouble

    def _is_put_off(self, done: Round, *, everything: bool) -> bool:
        """Many looks take long, and must not keep the list waiting: the others come after it."""
        done.put_off |= not everything and bool(self._watched.patterns) and self._list_is_due()
        return done.put_off

    def _hold_off(self, task_id: int, error: ProviderError, done: Round) -> None:
        self._held_off[task_id] = self._now()
        if self._troubled.get(task_id) != str(error):
            log.warning("order.look_failed", account=self._account, task_id=task_id, reason=str(error))
        self._troubled[task_id] = str(error)
        done.problems.append(f"order {task_id}: {error}")

    def _restored(self, task_id: int) -> None:
        if self._troubled.pop(task_id, None) is not None:
            log.info("order.look_restored", account=self._account, task_id=task_id)
