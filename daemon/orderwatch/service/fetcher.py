"""Brings wanted deliveries home, several at once; a failure is a value in the row, never the end."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from orderwatch.core import delivery as machine
from orderwatch.core.delivery import Failure, RetryPolicy, Trouble
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.errors import (
    BadBytesError,
    BusyHostError,
    DiskError,
    LinkExpiredError,
    LostBytesError,
    MissingError,
    ProviderError,
    StaleOrderError,
    TransferError,
)
from orderwatch.ports import Store
from orderwatch.service.attempt import Attempt, Tools, Tree
from orderwatch.service.bell import Bell
from orderwatch.service.turns import Turn, Turns

log = structlog.get_logger()

_LONGEST_WAIT = timedelta(hours=1)  # that a host may ask for
_EVENTS = {
    DeliveryState.WAITING: "delivery.waiting",
    DeliveryState.PARKED: "delivery.parked",
    DeliveryState.GIVEN_UP: "delivery.given_up",
}


class Fetcher:
    """Takes deliveries from the rows. `tools` holds what each account is fetched with."""

    def __init__(
        self,
        tools: Mapping[str, Tools],
        store: Store,
        *,
        retries: RetryPolicy,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._tools = tools
        self._store = store
        self._retries = retries
        self._longest = max(retries.slowest, _LONGEST_WAIT)
        self._now = now
        self._rng = rng
        self._parked: set[tuple[object, ...]] = set()  # said of these

    async def recover(self) -> None:
        """After a start, under the lock: free what a killed process held."""
        held = await self._store.deliveries(DeliveryState.FETCHING)
        for delivery in held:
            await self._store.record(machine.released(delivery, self._now()))
        if held:
            log.info("recovery.done", released=len(held))

    async def work(self, todo: Bell, stopping: asyncio.Event, turns: Turns) -> None:
        """One worker: delivery after delivery, each in a turn, asleep where there is none."""
        while not stopping.is_set():
            ticket = todo.ticket()
            if not await self._take_turn(turns, stopping):
                await ticket.wait()

    async def _take_turn(self, turns: Turns, stopping: asyncio.Event) -> bool:
        """Fetch what is next; False where nothing is."""
        async with turns.turn() as turn:
            if stopping.is_set():
                return True
            now = self._now()
            delivery = await self._store.claim(
                now, self._open(), now + 2 * self._longest, await self._rooms()
            )
            if delivery is not None:
                await self.fetch(delivery, turn)
            return delivery is not None

    def _open(self) -> list[str]:
        """The accounts that may be asked for a link: where trouble lasts the poller alone tries."""
        return [name for name, tools in self._tools.items() if not tools.gate.lasts]

    async def _rooms(self) -> dict[str | None, int | None]:
        """The room in each tree, None where it cannot be used: what is parked is not tried in vain."""
        trees = {root: tree for tools in self._tools.values() for root, tree in tools.trees.items()}
        return {root: await _room(tree) for root, tree in trees.items()}

    async def fetch(self, delivery: Delivery, turn: Turn | None = None) -> Delivery:
        """One attempt at a claimed delivery; returns what became of it. Slow, it lends its turn."""
        tools = self._tools[delivery.account]
        attempt = Attempt(delivery, tools)
        try:
            async with _lending(attempt, turn):
                await self._try(attempt)
        except asyncio.CancelledError:
            if attempt.delivery.state is DeliveryState.FETCHING:
                with contextlib.suppress(StaleOrderError):  # the last write may have gone through
                    await self._store.record(machine.released(attempt.delivery, self._now()))
            raise
        finally:
            attempt.release()
            self._remember(attempt.delivery)
        return attempt.delivery

    def _remember(self, delivery: Delivery) -> None:
        """What is parked is tried every minute, and said once."""
        if delivery.state is DeliveryState.PARKED:
            self._parked.add(delivery.key)
        else:
            self._parked.discard(delivery.key)

    async def _try(self, attempt: Attempt) -> None:
        try:
            await attempt.run()
        except (TransferError, ProviderError) as error:
            await self._fail(attempt, error)

    async def _fail(self, attempt: Attempt, error: TransferError | ProviderError) -> None:
        failure = await self._failure(attempt, error)
        move = machine.after_failure(
            attempt.delivery, failure, self._now(), self._retries, self._rng.random()
        )
        await self._store.record(move)
        attempt.row.delivery = move.delivery
        say = log.debug if attempt.delivery.key in self._parked else log.warning
        say(
            _EVENTS[move.delivery.state],
            **attempt.row.where,
            reason=move.delivery.reason,
            trouble=failure.trouble,
            attempts=move.delivery.attempts,
            durable=move.delivery.durable,
            not_before=move.delivery.not_before,
        )

    async def _failure(self, attempt: Attempt, error: TransferError | ProviderError) -> Failure:
        """What an error means for the delivery; wrong or lost bytes are dealt with here."""
        reason, sha256, wait = str(error), None, timedelta(0)
        match error:
            case BusyHostError():
                trouble, wait = Trouble.NETWORK, timedelta(seconds=error.seconds)
            case BadBytesError():
                trouble = Trouble.BYTES
                try:
                    sha256 = await attempt.set_aside(reason)
                except DiskError as disk:
                    trouble, reason = Trouble.DISK, str(disk)
            case LostBytesError():
                trouble = Trouble.DISK
                with contextlib.suppress(DiskError):  # it may be read-only by now
                    await attempt.start_over()
            case DiskError():
                trouble = Trouble.DISK
            case LinkExpiredError():
                trouble = Trouble.LINK
            case MissingError():
                trouble = Trouble.MISSING
            case ProviderError():
                trouble = Trouble.PROVIDER
            case _:
                trouble = Trouble.NETWORK
        return Failure(
            trouble=trouble, reason=reason, progressed=attempt.progressed, bytes_sha256=sha256, wait=wait
        )


async def _room(tree: Tree) -> int | None:
    try:
        await tree.volume.ready()
        return tree.space.room()
    except DiskError:
        return None


def _lending(attempt: Attempt, turn: Turn | None) -> contextlib.AbstractAsyncContextManager[None]:
    def lent() -> None:
        log.info("download.slow", **attempt.row.where, durable=attempt.delivery.durable)

    if turn is None:
        return contextlib.nullcontext()
    return turn.lent_when_slow(lambda: attempt.delivery.durable, lent)
