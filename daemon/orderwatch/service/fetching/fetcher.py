"""Downloads queued deliveries concurrently. Failures are recorded in the row and never stop the worker."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.errors import (
    DiskError,
    HeldError,
    HostError,
    ProviderError,
    StaleOrderError,
    TransferError,
    UnexpectedError,
)
from orderwatch.ports import MayAct, Store, always
from orderwatch.service.actions.controls import Controls
from orderwatch.service.cluster.own_lease import OwnLease
from orderwatch.service.error_boundary import contain_errors
from orderwatch.service.fetching.attempt import Attempt, AttemptTree, FetchContext
from orderwatch.service.fetching.batch import MAX_FILES, Batch
from orderwatch.service.fetching.download_slots import DownloadSlots, Slot
from orderwatch.service.fetching.failures import FailureLog, classify
from orderwatch.service.fetching.host_breaker import HostBreakers
from orderwatch.service.fetching.small_attachments import SmallAttachments
from orderwatch.service.liveness import MAX_SILENCE_SECONDS, Liveness, Worker
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_ENDS_OF_BATCHES = (UnexpectedError, StaleOrderError)  # its deliveries are queued again
_MAX_HOST_WAIT = timedelta(hours=1)  # the longest Retry-After that is honoured


class Fetcher:
    """Claims deliveries from the store and downloads them. `contexts` by account.

    A worker that makes no progress for `max_silence` seconds counts as hanging.
    """

    def __init__(
        self,
        contexts: Mapping[str, FetchContext],
        store: Store,
        *,
        retries: RetryPolicy,
        now: Callable[[], datetime],
        rng: random.Random,
        host_breakers: HostBreakers | None = None,
        lease: OwnLease | None = None,
        controls: Controls | None = None,
        liveness: Liveness | None = None,
        max_silence: float = MAX_SILENCE_SECONDS,
    ) -> None:
        self._contexts = contexts
        self._store = store
        self._retries = retries
        self._max_wait = max(retries.retry_max, _MAX_HOST_WAIT)
        self._now = now
        self._rng = rng
        self._host_breakers = host_breakers or HostBreakers()
        self._lease = lease or OwnLease(shared=False)
        self._controls = controls or Controls()
        self._liveness = liveness or Liveness()
        self._max_silence = max_silence
        self._failure_log = FailureLog()
        self._small = SmallAttachments()
        self._claiming = asyncio.Lock()
        self._ended_attempts = 0
        self._is_finding = False  # the last claim
        # The wakeup ticket and `_ended_attempts` when the last claim found nothing.
        self._nothing_at: tuple[asyncio.Event, int] | None = None

    async def work(self, todo: Wakeup, stopping: asyncio.Event, slots: DownloadSlots) -> None:
        """Run one worker: download one delivery after another, and sleep while there is none."""
        with self._liveness.worker("worker", self._max_silence) as worker:
            while not stopping.is_set():
                ticket = todo.subscribe()
                if not await self._fetch_next(ticket, slots, stopping, worker):
                    await ticket.wait()

    async def _fetch_next(
        self, ticket: asyncio.Event, slots: DownloadSlots, stopping: asyncio.Event, worker: Worker
    ) -> bool:
        """Download the next delivery; returns False if there is none."""
        worker.idle()  # waiting for a slot is no hang: its holder is supervised itself
        delivery = None
        async with slots.slot() as slot, self._lease.term() as term:
            worker.progress()
            if stopping.is_set():
                return True
            delivery = await self._claim(ticket)
            if delivery is not None:
                await self._fetch_with_others(delivery, slot, worker, term.may_act)
        return delivery is not None

    async def _fetch_with_others(
        self, delivery: Delivery, slot: Slot, worker: Worker, may_act: MayAct
    ) -> None:
        """Fetch a claimed delivery, together with more of its capture if their files are small."""
        names = self._small.of(delivery.account)
        is_first = (delivery.version, delivery.attempts, delivery.path) == (1, 0, None)
        more: Sequence[Delivery] = ()
        if (
            delivery.attachment in names
            and is_first
            and not self._contexts[delivery.account].watched.extracts
        ):
            more = await self._store.deliveries.claim_more(
                delivery, self._now(), names, MAX_FILES - 1, lease=self._lease.length
            )
        if more:
            await self.fetch_batch([delivery, *more], worker, may_act)
        else:
            await self.fetch(delivery, slot, worker, may_act)

    async def fetch_batch(
        self, deliveries: Sequence[Delivery], worker: Worker, may_act: MayAct = always
    ) -> None:
        """Make one attempt at claimed deliveries of one capture; queue those again that it leaves."""
        first = deliveries[0]
        visit = self._host_breakers.visit(first, self._now)
        context = self._contexts[first.account]
        batch = Batch(deliveries, context, visit=visit, worker=worker, may_act=may_act)
        try:
            async with self._controls.until_paused(first.account):
                with contextlib.suppress(*_ENDS_OF_BATCHES), contain_errors(account=first.account):
                    await batch.run()
        finally:
            self._ended_attempts += 1
            await self._release(batch.left)
        if self._controls.pauses.of_downloads(first.account) is None:  # else it ended early
            self._small.on_batch(batch.left)

    async def _release(self, left: Sequence[Delivery]) -> None:
        """Queue deliveries again; each for itself, since a cancelled write may have succeeded for some."""
        for delivery in left:
            with contextlib.suppress(StaleOrderError):
                await self._store.deliveries.save(machine.released(delivery, self._now()))

    async def _claim(self, ticket: asyncio.Event) -> Delivery | None:
        """Claim the next delivery, if any.

        While there are some, workers claim side by side, in one transaction. After a worker found nothing, no
        other looks again before the next wakeup or the end of an attempt, which may have freed space or be
        due again at once; then one worker looks before the others.
        """
        async with self._claiming:
            state = (ticket, self._ended_attempts)
            if self._nothing_at == state:
                return None
            if not self._is_finding:
                return await self._look(state)
        return await self._look(state)

    async def _look(self, state: tuple[asyncio.Event, int]) -> Delivery | None:
        delivery = await self.next()
        self._is_finding = delivery is not None
        if delivery is None:
            self._nothing_at = state
        return delivery

    async def next(self) -> Delivery | None:
        """Claim the delivery that is due next; None if none can be downloaded now."""
        if not self._lease.is_sound:
            return None
        now = self._now()
        self._host_breakers.forget(now, self._max_wait)
        return await self._store.deliveries.claim(
            now,
            self._open_accounts(),
            now + 2 * self._max_wait,
            await self._space_by_root(),
            resting=self._host_breakers.resting(now),
            doubted=self._host_breakers.doubted(),
            lease=self._lease.length,
        )

    def _open_accounts(self) -> list[str]:
        """Return the accounts that are not paused and may request links.

        While a breaker is open only the poller tries.
        """
        return [
            name
            for name, context in self._contexts.items()
            if not (context.breaker.is_open or context.breaker.is_suspect)
            and self._controls.pauses.of_downloads(name) is None
        ]

    async def _space_by_root(self) -> dict[str | None, int | None]:
        """Return the free bytes by root, None for an unusable tree: its parked deliveries are not retried."""
        trees = {root: tree for context in self._contexts.values() for root, tree in context.trees.items()}
        return {root: await _space_of(tree) for root, tree in trees.items()}

    async def fetch(
        self,
        delivery: Delivery,
        slot: Slot | None = None,
        worker: Worker | None = None,
        may_act: MayAct = always,
    ) -> Delivery:
        """Make one attempt at a claimed delivery; returns its new state. Releases the slot if it is slow.

        Once `may_act` returns False, another host may have taken over, and nothing is published.
        """
        visit = self._host_breakers.visit(delivery, self._now)
        context = self._contexts[delivery.account]
        attempt = Attempt(delivery, context, visit=visit, worker=worker, may_act=may_act)
        try:
            async with (
                self._controls.until_paused(delivery.account),
                _release_slot_when_slow(attempt, slot),
            ):
                await self._try_under_fence(attempt)
            await self._release_if_interrupted(attempt)
        except asyncio.CancelledError:
            await self._release_if_interrupted(attempt)
            raise
        finally:
            attempt.release()
            self._small.on_attempt(attempt.delivery)
            self._ended_attempts += 1
            self._failure_log.forget(attempt.delivery)
        return attempt.delivery

    async def _release_if_interrupted(self, attempt: Attempt) -> None:
        if attempt.delivery.state is DeliveryState.FETCHING:
            await self._release([attempt.delivery])

    async def _try_under_fence(self, attempt: Attempt) -> None:
        try:
            await self._try(attempt)
        except StaleOrderError as error:
            log.info("delivery.lost", **attempt.row.log_fields, reason=str(error))

    async def _try(self, attempt: Attempt) -> None:
        try:
            with contain_errors(**attempt.row.log_fields):
                await attempt.run()
        except HeldError as error:
            update = machine.held(attempt.delivery, self._now(), error.until, str(error))
            await self._store.deliveries.save(update)
            attempt.row.delivery = update.delivery
            log.debug("delivery.held", **attempt.row.log_fields, host=update.delivery.host, until=error.until)
        except (TransferError, ProviderError) as error:
            await self._fail(attempt, error)
        except UnexpectedError as error:
            if attempt.delivery.state is not DeliveryState.FETCHING:  # its result is recorded already
                log.warning("delivery.unexpected", **attempt.row.log_fields, reason=str(error))
                return
            await self._fail(attempt, error)

    async def _fail(self, attempt: Attempt, error: TransferError | ProviderError | UnexpectedError) -> None:
        failure = await classify(attempt, error, self._retries.retry_max)
        update = machine.on_failure(attempt.delivery, failure, self._now(), self._retries, self._rng.random())
        await self._store.deliveries.save(update)
        attempt.row.delivery = update.delivery
        self._contexts[update.delivery.account].meter.failed(failure.trouble)
        if isinstance(error, HostError) and not failure.progressed:
            attempt.visit.on_failure(error, self._retries.retry_max, self._rng.random())
        self._failure_log.record(attempt, failure)


async def _space_of(tree: AttemptTree) -> int | None:
    try:
        await tree.volume.ready()
        return tree.space.available()
    except DiskError:
        return None


def _release_slot_when_slow(
    attempt: Attempt, slot: Slot | None
) -> contextlib.AbstractAsyncContextManager[None]:
    def on_release() -> None:
        log.info("download.slow", **attempt.row.log_fields, durable=attempt.delivery.durable)

    if slot is None:
        return contextlib.nullcontext()
    return slot.release_when_slow(lambda: attempt.delivery.durable, on_release)
