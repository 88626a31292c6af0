"""One look at one order: itself, its captures, and the scenes of those that are published."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from orderwatch.core.model import Order, OrderState
from orderwatch.core.orders.observe import Rules, observe, observe_missing, status_reasons
from orderwatch.core.orders.poll_schedule import Pace, is_idle, scenes_due
from orderwatch.core.orders.snapshot import CaptureSnapshot, Observation, OrderSnapshot, SceneSnapshot
from orderwatch.core.orders.watches import OrderTraits, traits_of
from orderwatch.errors import AnswerError, LeftOutError, MissingError, ProviderError
from orderwatch.ports import Archive, Store, Tasking
from orderwatch.service.liveness import Worker, unsupervised
from orderwatch.service.polling.recorder import Recorder

_ENOUGH = 3  # captures of one order whose scenes cannot be had, before the next look tries again
_LISTED_LATELY = 2  # intervals


class OrderSyncResult(NamedTuple):
    """Whether the provider gave a good answer to anything, and what else failed; a look may ask nothing."""

    answered: bool
    failed: ProviderError | None = None


class OrderSync:
    """Looks at the orders of one account."""

    def __init__(
        self,
        tasking: Tasking,
        archive: Archive,
        recorder: Recorder,
        store: Store,
        *,
        pace: Pace,
        now: Callable[[], datetime],
        rng: random.Random,
        worker: Worker | None = None,
    ) -> None:
        self._tasking = tasking
        self._archive = archive
        self._recorder = recorder
        self._store = store
        self._pace = pace
        self._now = now
        self._rng = rng
        self._worker = worker or unsupervised()

    @property
    def account(self) -> str:
        return self._recorder.account

    async def look(self, task_id: int, *, listed: bool | None, everything: bool) -> OrderSyncResult:
        """One look at one order; raises `ProviderError` where it brought nothing but failure.

        What was seen before a failure is recorded all the same. `listed`: the list has just shown the order's
        own row, and it is recorded; None where it is not, and the order has to be asked for itself.
        """
        self._worker.progress()
        known = await self._store.order(self._recorder.account, task_id)
        try:
            is_told = known is not None and self._is_told(known, listed=listed)
            seen = None if is_told else await self._tasking.order(task_id)
            look = Observation(account=self._recorder.account, order=seen, captures=None)
            rules = self._recorder.rules(_traits(known, seen))
            now = self._now()
            idle = not everything and is_idle(observe(known, look, now, rules).order, now)
            captures, trouble = (None, None) if idle else await self._captures(task_id, seen)
        except MissingError:
            await self._record_missing(task_id)
            return OrderSyncResult(answered=True)
        look = replace(look, captures=captures)
        scenes, more = await self._scenes(known, look, rules, everything=everything)
        failed = trouble or more
        look = replace(look, scenes=scenes, whole=failed is None)
        await self._recorder.record(
            task_id,
            lambda order: observe(order, look, self._now(), rules),
            latest=self._now() + self._pace.interval if failed else None,
        )
        answered = seen is not None or bool(captures) or bool(scenes)
        answered |= captures == () and (trouble is None or isinstance(trouble, LeftOutError))
        if failed is not None and not answered:
            raise failed
        return OrderSyncResult(answered=answered, failed=failed)

    def _is_told(self, known: Order, *, listed: bool | None) -> bool:
        """Whether the list says enough of the order itself; of a lost one it proves nothing."""
        if listed is None:
            return False
        at = known.listed_at
        within = _LISTED_LATELY * self._pace.interval
        lately = at is not None and timedelta(0) <= self._now() - at <= within
        return (listed or lately) and known.state is not OrderState.LOST

    async def _record_missing(self, task_id: int) -> None:
        account = self._recorder.account
        await self._recorder.record(
            task_id, lambda order: observe_missing(order, account, task_id, self._now())
        )

    async def _captures(
        self, task_id: int, seen: OrderSnapshot | None
    ) -> tuple[tuple[CaptureSnapshot, ...], ProviderError | None]:
        """Every capture of the order, or those on the pages before one that failed.

        Raises `MissingError` where the order is missing too.
        """
        captures = []
        try:
            async for capture in self._tasking.captures(task_id):
                self._worker.progress()
                captures.append(capture)  # what was read before a bad page counts
        except MissingError as error:
            if seen is None:
                await self._tasking.order(task_id)
            return tuple(captures), AnswerError(f"the order is there, but {error}")
        except ProviderError as error:
            return tuple(captures), error
        return tuple(captures), None

    async def _scenes(
        self, known: Order | None, look: Observation, rules: Rules, *, everything: bool
    ) -> tuple[dict[str, tuple[SceneSnapshot, ...]], ProviderError | None]:
        """The scenes of every capture worth asking for, in any order: what fails hides no other for ever."""
        now = self._now()
        order = observe(known, look, now, rules).order
        scenes: dict[str, tuple[SceneSnapshot, ...]] = {}
        failed: list[ProviderError] = []
        for capture in self._rng.sample(order.captures, len(order.captures)):
            asked = everything and (capture.published_at is not None or capture.unclear)
            self._worker.progress()
            if len(failed) < _ENOUGH and (asked or scenes_due(order, capture, now, self._pace)):
                try:
                    found = tuple(await self._archive.scenes(capture.capture_id))
                except ProviderError as error:
                    failed.append(error)
                    continue
                scenes[capture.capture_id] = found
                if not all(scene.scene_id for scene in found):
                    failed.append(LeftOutError("telluric: a scene cannot be read"))
        return scenes, failed[0] if failed else None


def _traits(known: Order | None, seen: OrderSnapshot | None) -> OrderTraits:
    if known is not None:
        return traits_of(status_reasons(known, seen))
    if seen is not None:
        return traits_of(seen)
    raise ValueError("neither known nor seen")
