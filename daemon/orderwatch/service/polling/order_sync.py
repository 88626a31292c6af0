"""Polls one order: the order itself, its captures, and the scenes of published captures."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from orderwatch.core.model import Order, OrderKey, OrderState
from orderwatch.core.orders.ending import reason_due
from orderwatch.core.orders.observe import Rules, merge_snapshot, observe, observe_missing
from orderwatch.core.orders.poll_schedule import is_idle, scenes_due
from orderwatch.core.orders.snapshot import CaptureSnapshot, Observation, OrderSnapshot, SceneSnapshot
from orderwatch.core.orders.watches import OrderTraits, traits_of
from orderwatch.errors import (
    AnswerError,
    LeftOutError,
    MissingError,
    ProviderError,
    RefusedError,
    UnavailableError,
    UnexpectedError,
)
from orderwatch.ports import Archive, Tasking
from orderwatch.service.account_context import AccountContext
from orderwatch.service.error_boundary import contain_errors
from orderwatch.service.polling.recorder import Recorder

_MAX_FAILED_CAPTURES = 3  # of one order and poll, then the rest waits for the next poll
_LISTED_WITHIN_INTERVALS = 2


class OrderSyncResult(NamedTuple):
    """Whether the provider answered any request, and the first failure; a poll may need no request."""

    answered: bool
    failed: ProviderError | None = None


class OrderSync:
    """Polls orders of one account."""

    def __init__(
        self, context: AccountContext, tasking: Tasking, archive: Archive, recorder: Recorder
    ) -> None:
        self._tasking = tasking
        self._archive = archive
        self._recorder = recorder
        self._store = context.store
        self._pace = context.pace
        self._now = context.now
        self._rng = context.rng
        self._worker = context.worker

    @property
    def account(self) -> str:
        return self._recorder.account

    async def sync(self, key: OrderKey, *, listed: bool | None, everything: bool) -> OrderSyncResult:
        """Poll one order and record what was read, even before a failure.

        Raises `ProviderError` if every request failed. `listed`: the list has just shown the order, and its
        row is recorded; None if it could not be recorded, so that the order itself has to be requested.
        """
        self._worker.progress()
        order_id = key.order_id
        known = await self._store.orders.get(self._recorder.account, order_id)
        try:
            seen = await self._order(known, order_id, listed=listed)
            if known is None and seen is not None:
                known = await self._recorder.adopt(seen)
            observation = Observation(account=self._recorder.account, order=seen, captures=None)
            rules = self._recorder.rules(_traits(known, seen))
            now = self._now()
            idle = not everything and is_idle(observe(known, observation, now, rules).order, now)
            captures, capture_error = (None, None) if idle else await self._captures(order_id, seen)
        except MissingError:
            await self._record_missing(key)
            return OrderSyncResult(answered=True)
        observation = replace(observation, captures=captures)
        scenes, scene_error = await self._scenes(known, observation, rules, everything=everything)
        failed = capture_error or scene_error
        observation = replace(observation, scenes=scenes, whole=failed is None)
        await self._recorder.record(
            order_id,
            lambda order: observe(order, observation, self._now(), rules),
            latest=self._now() + self._pace.interval if failed else None,
        )
        answered = seen is not None or bool(captures) or bool(scenes)
        answered |= captures == () and (capture_error is None or isinstance(capture_error, LeftOutError))
        if failed is not None and not answered:
            raise failed
        return OrderSyncResult(answered=answered, failed=failed)

    async def _order(
        self, known: Order | None, order_id: str, *, listed: bool | None
    ) -> OrderSnapshot | None:
        """Request the order itself if the list is not enough; only its reason may stay unknown."""
        if known is None or not self._is_list_enough(known, listed=listed):
            return await self._tasking.order(order_id)
        if not (self._tasking.gives_reasons and reason_due(known)):
            return None
        try:
            return await self._tasking.order(order_id)
        except ProviderError:
            return None

    def _is_list_enough(self, known: Order, *, listed: bool | None) -> bool:
        """Return whether the list makes a request for the order itself unnecessary; not for a lost order."""
        if listed is None:
            return False
        at = known.listed_at
        within = _LISTED_WITHIN_INTERVALS * self._pace.interval
        is_recent = at is not None and timedelta(0) <= self._now() - at <= within
        return (listed or is_recent) and known.state is not OrderState.LOST

    async def _record_missing(self, key: OrderKey) -> None:
        account = self._recorder.account
        await self._recorder.record(
            key.order_id, lambda order: observe_missing(order, account, key, self._now())
        )

    async def _captures(
        self, order_id: str, seen: OrderSnapshot | None
    ) -> tuple[tuple[CaptureSnapshot, ...], ProviderError | None]:
        """Read the captures, up to a page that fails; returns them and the error.

        Raises `MissingError` if the order is missing too.
        """
        captures = []
        try:
            async for capture in self._tasking.captures(order_id):
                self._worker.progress()
                captures.append(capture)  # kept even if a later page fails
        except MissingError as error:
            if seen is None:
                await self._tasking.order(order_id)
            return tuple(captures), AnswerError(f"the order exists, but {error}")
        except ProviderError as error:
            return tuple(captures), error
        return tuple(captures), None

    async def _scenes(
        self, known: Order | None, observation: Observation, rules: Rules, *, everything: bool
    ) -> tuple[dict[str, tuple[SceneSnapshot, ...]], ProviderError | None]:
        """Read the scenes of every due capture, in random order, so that failures hide none forever."""
        now = self._now()
        order = observe(known, observation, now, rules).order
        scenes: dict[str, tuple[SceneSnapshot, ...]] = {}
        failed: list[ProviderError] = []
        for capture in self._rng.sample(order.captures, len(order.captures)):
            is_requested = everything and (capture.published_at is not None or capture.unclear)
            self._worker.progress()
            if len(failed) < _MAX_FAILED_CAPTURES and (
                is_requested or scenes_due(order, capture, now, self._pace)
            ):
                try:
                    found = tuple(await self._archive.scenes(order, capture))
                except ProviderError as error:
                    failed.append(error)
                    continue
                scenes[capture.capture_id] = found
                if not all(scene.scene_id for scene in found):
                    failed.append(LeftOutError("the archive: orderwatch cannot read a scene"))
        return scenes, failed[0] if failed else None


def _traits(known: Order | None, seen: OrderSnapshot | None) -> OrderTraits:
    if known is not None:
        return traits_of(merge_snapshot(known, seen))
    if seen is not None:
        return traits_of(seen)
    raise ValueError("neither known nor seen")


MAX_PARALLEL = 4  # the rate limiter spaces their requests


class SyncBatch:
    """One batch. `failed` has errors by order; `enough` consecutive failures stop the batch."""

    def __init__(
        self, order_sync: OrderSync, *, enough: int, everything: bool, should_stop: Callable[[], bool]
    ) -> None:
        self._order_sync = order_sync
        self._enough = enough
        self._everything = everything
        self._should_stop = should_stop
        self._slots = asyncio.Semaphore(MAX_PARALLEL)
        self.succeeded: set[OrderKey] = set()
        self.failed: dict[OrderKey, ProviderError | UnexpectedError] = {}
        self.consecutive_failures = 0
        self.answered = False

    @property
    def is_account_wide(self) -> bool:
        """Whether enough orders failed, and none succeeded, to suspect the account."""
        return self.consecutive_failures >= self._enough and not self.succeeded

    async def run(
        self, due: Sequence[OrderKey], shown: Collection[str], skipped: Collection[str] = ()
    ) -> None:
        """Poll the due orders. The list has just shown `shown`; rows of `skipped` are not recorded."""
        async with asyncio.TaskGroup() as tasks:
            for key in due:
                listed = None if key.order_id in skipped else key.order_id in shown
                tasks.create_task(self._sync(key, listed=listed))

    async def _sync(self, key: OrderKey, *, listed: bool | None) -> None:
        async with self._slots:
            if self.consecutive_failures >= self._enough or self._should_stop():
                return
            try:
                with contain_errors(account=self._order_sync.account, **key._asdict()):
                    result = await self._order_sync.sync(key, listed=listed, everything=self._everything)
            except UnexpectedError as error:  # not the account's fault
                self.failed[key] = error
                return
            except ProviderError as error:
                self.failed[key] = error
                self.consecutive_failures += 1
                return
        self.answered |= result.answered
        if result.failed is None:
            self.succeeded.add(key)
            self.consecutive_failures = 0 if result.answered else self.consecutive_failures
            return
        self.failed[key] = result.failed
        # A bad response beside a good one concerns this order only.
        self.consecutive_failures += isinstance(result.failed, UnavailableError | RefusedError)
