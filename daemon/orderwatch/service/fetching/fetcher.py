"""Brings wanted deliveries home, several at once; a failure is a value in the row, never the end."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.state_machine import Failure, FailureKind, RetryPolicy
from orderwatch.core.log_throttle import LogThrottle, is_due
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.errors import (
    BadBytesError,
    BusyHostError,
    DiskError,
    ForbiddenError,
    HeldError,
    HostError,
    LinkExpiredError,
    LostBytesError,
    MissingError,
    OrderwatchError,
    ProviderError,
    StaleOrderError,
    TransferError,
    UnexpectedError,
)
from orderwatch.ports import Store
from orderwatch.service.error_boundary import contained
from orderwatch.service.fetching.attempt import Attempt, AttemptTree, FetchContext
from orderwatch.service.fetching.download_slots import DownloadSlots, Slot
from orderwatch.service.fetching.host_breaker import HostBreakers
from orderwatch.service.liveness import PATIENCE, Liveness, Worker
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_LONGEST_WAIT = timedelta(hours=1)  # that a host may ask for
_TROUBLES: Mapping[type[OrderwatchError], FailureKind] = {  # a leaf before its parent
    DiskError: FailureKind.DISK,
    LinkExpiredError: FailureKind.LINK,
    MissingError: FailureKind.MISSING,
    ProviderError: FailureKind.PROVIDER,
    UnexpectedError: FailureKind.UNEXPECTED,
}
_EVENTS = {
    DeliveryState.WAITING: "delivery.waiting",
    DeliveryState.PARKED: "delivery.parked",
    DeliveryState.GIVEN_UP: "delivery.given_up",
}


class Fetcher:
    """Takes deliveries from the rows. `tools` holds what each account is fetched with.

    A worker that makes no progress for `patience` seconds is late.
    """

    def __init__(
        self,
        tools: Mapping[str, FetchContext],
        store: Store,
        *,
        retries: RetryPolicy,
        now: Callable[[], datetime],
        rng: random.Random,
        host_breakers: HostBreakers | None = None,
        liveness: Liveness | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._tools = tools
        self._store = store
        self._retries = retries
        self._longest = max(retries.retry_max, _LONGEST_WAIT)
        self._now = now
        self._rng = rng
        self._host_breakers = host_breakers or HostBreakers()
        self._liveness = liveness or Liveness()
        self._patience = patience
        self._failures = LogThrottle()
        self._claiming = asyncio.Lock()
        self._ended = 0  # attempts
        self._empty: tuple[asyncio.Event, int] | None = None  # ticket and `_ended` when nothing was found

    async def work(self, todo: Wakeup, stopping: asyncio.Event, slots: DownloadSlots) -> None:
        """One worker: delivery after delivery, each in a turn, asleep where there is none."""
        with self._liveness.worker("worker", self._patience) as worker:
            while not stopping.is_set():
                ticket = todo.subscribe()
                if not await self._take_turn(ticket, slots, stopping, worker):
                    await ticket.wait()

    async def _take_turn(
        self, ticket: asyncio.Event, slots: DownloadSlots, stopping: asyncio.Event, worker: Worker
    ) -> bool:
        """Fetch what is next; False where nothing is."""
        worker.idle()  # who has the places is judged
        async with slots.slot() as slot:
            worker.progress()
            if stopping.is_set():
                return True
            delivery = await self._claim(ticket)
            if delivery is not None:
                await self.fetch(delivery, slot, worker)
            return delivery is not None

    async def _claim(self, ticket: asyncio.Event) -> Delivery | None:
        """What is next. Where one of us found nothing, nobody looks again before the bell rings.

        But once an attempt has ended: it may be tried again at once, and there may be more room.
        """
        async with self._claiming:
            seen = (ticket, self._ended)
            if self._empty == seen:
                return None
            delivery = await self.next()
            if delivery is None:
                self._empty = seen
            return delivery

    async def next(self) -> Delivery | None:
        """Claim the delivery whose turn it is; None where none may be fetched now."""
        now = self._now()
        self._host_breakers.forget(now, self._longest)
        return await self._store.claim(
            now,
            self._open(),
            now + 2 * self._longest,
            await self._rooms(),
            resting=self._host_breakers.resting(now),
            doubted=self._host_breakers.doubted(),
        )

    def _open(self) -> list[str]:
        """The accounts that may be asked for a link: where trouble lasts the poller alone tries."""
        return [
            name
            for name, tools in self._tools.items()
            if not (tools.breaker.is_open or tools.breaker.is_suspect)
        ]

    async def _rooms(self) -> dict[str | None, int | None]:
        """The room in each tree, None where it cannot be used: what is parked is not tried in vain."""
        trees = {root: tree for tools in self._tools.values() for root, tree in tools.trees.items()}
        return {root: await _room(tree) for root, tree in trees.items()}

    async def fetch(
        self, delivery: Delivery, slot: Slot | None = None, worker: Worker | None = None
    ) -> Delivery:
        """One attempt at a claimed delivery; returns what became of it. Slow, it lends its turn."""
        visit = self._host_breakers.visit(delivery, self._now)
        attempt = Attempt(delivery, self._tools[delivery.account], visit=visit, worker=worker)
        try:
            async with _lending(attempt, slot):
                await self._try(attempt)
        except asyncio.CancelledError:
            if attempt.delivery.state is DeliveryState.FETCHING:
                with contextlib.suppress(StaleOrderError):  # the last write may have gone through
                    await self._store.record(machine.released(attempt.delivery, self._now()))
            raise
        finally:
            attempt.release()
            self._ended += 1
            self._forget(attempt.delivery)
        return attempt.delivery

    def _forget(self, delivery: Delivery) -> None:
        """What did not fail, or not in this way, fails for the first time when it does again."""
        for state in _EVENTS:
            if state is not delivery.state or state is DeliveryState.GIVEN_UP:
                self._failures.over((delivery.key, state))

    async def _try(self, attempt: Attempt) -> None:
        try:
            with contained(**attempt.row.where):
                await attempt.run()
        except HeldError as held:
            move = machine.held(attempt.delivery, self._now(), held.until, str(held))
            await self._store.record(move)
            attempt.row.delivery = move.delivery
            log.debug("delivery.held", **attempt.row.where, host=move.delivery.host, until=held.until)
        except (TransferError, ProviderError) as error:
            await self._fail(attempt, error)
        except UnexpectedError as error:
            if attempt.delivery.state is not DeliveryState.FETCHING:  # its end is recorded already
                log.warning("delivery.unexpected", **attempt.row.where, reason=str(error))
                return
            await self._fail(attempt, error)

    async def _fail(self, attempt: Attempt, error: TransferError | ProviderError | UnexpectedError) -> None:
        failure = await self._failure(attempt, error)
        move = machine.on_failure(attempt.delivery, failure, self._now(), self._retries, self._rng.random())
        await self._store.record(move)
        attempt.row.delivery = move.delivery
        self._tools[move.delivery.account].meter.failed(failure.trouble)
        if isinstance(error, HostError) and not failure.progressed:
            attempt.visit.failed(error, self._retries.retry_max, self._rng.random())
        self._say(attempt, failure)

    def _say(self, attempt: Attempt, failure: Failure) -> None:
        delivery = attempt.delivery
        repeats = self._failures.again((delivery.key, delivery.state))
        known = False
        if delivery.state is DeliveryState.PARKED:  # and is tried every minute
            known = repeats > 1
        elif delivery.state is DeliveryState.WAITING:
            of_host = failure.trouble is FailureKind.NETWORK and attempt.visit.lasts
            its_turn_comes = failure.trouble is FailureKind.BUSY and attempt.visit.crowded
            known = of_host or its_turn_comes or not is_due(repeats)
        say = log.debug if known else log.warning
        say(
            _EVENTS[delivery.state],
            **attempt.row.where,
            reason=delivery.reason,
            trouble=failure.trouble,
            attempts=delivery.attempts,
            repeats=repeats,
            durable=delivery.durable,
            not_before=delivery.not_before,
        )

    async def _failure(
        self, attempt: Attempt, error: TransferError | ProviderError | UnexpectedError
    ) -> Failure:
        """What an error means for the delivery; wrong or lost bytes are dealt with here."""
        reason, sha256 = str(error), None
        wait = timedelta(seconds=error.wait) if isinstance(error, TransferError) else timedelta(0)
        match error:
            case BusyHostError():
                trouble, wait = FailureKind.BUSY, attempt.visit.refused(wait, self._retries.retry_max)
            case ForbiddenError() if not attempt.visit.is_forbidden():
                trouble, wait = FailureKind.BUSY, attempt.visit.refused(wait, self._retries.retry_max)
            case BadBytesError():
                trouble = FailureKind.BYTES
                try:
                    sha256 = await attempt.quarantine(reason)
                except DiskError as disk:
                    trouble, reason = FailureKind.DISK, str(disk)
            case LostBytesError():
                trouble = FailureKind.DISK
                with contextlib.suppress(DiskError):  # it may be read-only by now
                    await attempt.start_over()
            case _:
                trouble = next(
                    (t for kind, t in _TROUBLES.items() if isinstance(error, kind)), FailureKind.NETWORK
                )
        return Failure(
            trouble=trouble, reason=reason, progressed=attempt.progressed, bytes_sha256=sha256, wait=wait
        )


async def recover(store: Store, now: Callable[[], datetime]) -> None:
    """After a start, under the lock: free what a killed process held."""
    held = await store.deliveries(DeliveryState.FETCHING)
    for delivery in held:
        await store.record(machine.released(delivery, now()))
    if held:
        log.info("recovery.done", released=len(held))


async def _room(tree: AttemptTree) -> int | None:
    try:
        await tree.volume.ready()
        return tree.space.room()
    except DiskError:
        return None


def _lending(attempt: Attempt, slot: Slot | None) -> contextlib.AbstractAsyncContextManager[None]:
    def lent() -> None:
        log.info("download.slow", **attempt.row.where, durable=attempt.delivery.durable)

    if slot is None:
        return contextlib.nullcontext()
    return slot.lent_when_slow(lambda: attempt.delivery.durable, lent)
