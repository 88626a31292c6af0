"""One look at the rows for all who look on: what moved since the last, whoever wrote it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import orjson

from orderwatch.core.model import Delivery, DeliveryState, Transition
from orderwatch.core.shapes import Shape, transition_facts
from orderwatch.errors import DatabaseError
from orderwatch.ports.sight import Records
from orderwatch.shield import shielded

_PAUSE = 0.5  # seconds
_LAG = 500  # changes that a listener may be behind
_LATE = timedelta(seconds=10)  # from the time of a look to its row, at most
_SPAN = timedelta(seconds=10)  # over which a rate is measured


class Change(NamedTuple):
    """`number` is that of a move; what is told besides has an `event` instead. `data` is JSON on one line."""

    data: str
    event: str | None = None
    number: int | None = None


class Speeds:
    """Rates of the transfers under way, from how far the rows were at each look."""

    def __init__(self) -> None:
        self._samples: dict[tuple[object, ...], deque[tuple[datetime, int]]] = {}

    def measured(self, deliveries: Sequence[Delivery], now: datetime) -> list[Shape]:
        former, self._samples = self._samples, {}
        return [self._facts(delivery, former.get(delivery.key, deque()), now) for delivery in deliveries]

    def _facts(self, delivery: Delivery, samples: deque[tuple[datetime, int]], now: datetime) -> Shape:
        while samples and not now - _SPAN <= samples[0][0] < now:
            samples.popleft()
        if samples and samples[-1][1] > delivery.durable:
            samples.clear()  # begun anew
        samples.append((now, delivery.durable))
        self._samples[delivery.key] = samples
        passed = (now - samples[0][0]).total_seconds()
        rate = (delivery.durable - samples[0][1]) / passed if passed > 0 else None
        left = delivery.total - delivery.durable if delivery.total is not None else None
        return {
            "account": delivery.account,
            "task_id": delivery.task_id,
            "capture_id": delivery.capture_id,
            "scene_id": delivery.scene_id,
            "name": delivery.attachment,
            "file_name": delivery.file_name,
            "bytes": delivery.durable,
            "total": delivery.total,
            "bytes_per_second": rate,
            "seconds_left": left / rate if rate and left is not None else None,
        }


class Changes:
    """Looks while somebody listens, after each `pause`."""

    def __init__(
        self,
        records: Records,
        now: Callable[[], datetime],
        pause: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._records = records
        self._now = now
        self._pause = pause or partial(asyncio.sleep, _PAUSE)
        self._listeners: set[asyncio.Queue[Change]] = set()
        self._turn = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._newest = 0
        self._touched: set[tuple[str, int]] = set()
        self._speeds = Speeds()
        self._transfers: list[Shape] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[Change]]:
        """Every change from here on; who takes them too slowly gets `lagged`, and no more."""
        queue: asyncio.Queue[Change] = asyncio.Queue(_LAG)
        async with self._turn:
            if self._watching is None:
                self._newest = await self._records.newest_move()
                self._touched = set(await self._records.touched_since(self._now() - _LATE))
                self._transfers = []
                self._watching = asyncio.create_task(self._watch())
            elif self._transfers:
                queue.put_nowait(_told("transfers", transfers=self._transfers))
            self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
            await shielded(self._rest())

    async def transfers(self) -> Sequence[Shape]:
        """Those under way; with rates while somebody listens."""
        if self._watching is not None:
            return self._transfers
        fetching = await self._records.deliveries(DeliveryState.FETCHING)
        return Speeds().measured(fetching, self._now())

    async def _rest(self) -> None:
        """Nobody reads any more once the last listener has left."""
        async with self._turn:
            if not self._listeners and self._watching is not None:
                watching, self._watching = self._watching, None
                watching.cancel()
                await asyncio.wait([watching])

    async def _watch(self) -> None:
        while True:
            with suppress(DatabaseError):  # those who work with it say so
                await self._look()
            await self._pause()

    async def _look(self) -> None:
        moved = await self._tell_moves()
        touched = set(await self._records.touched_since(self._now() - _LATE))
        fresh = sorted(touched - self._touched - moved)
        self._touched = touched
        if fresh:
            self._tell(_told("touched", orders=fresh))
        fetching = await self._records.deliveries(DeliveryState.FETCHING)
        transfers = self._speeds.measured(fetching, self._now())
        if transfers != self._transfers:
            self._transfers = transfers
            self._tell(_told("transfers", transfers=transfers))

    async def _tell_moves(self) -> set[tuple[str, int]]:
        newest = await self._records.newest_move()
        moves = await self._records.moves_after(self._newest) if newest > self._newest else []
        for number, move in moves:
            self._tell(of_move(number, move))
        self._newest = moves[-1][0] if moves else newest
        return {(move.account, move.task_id) for _, move in moves}

    def _tell(self, change: Change) -> None:
        for queue in list(self._listeners):
            if queue.full():
                self._listeners.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(lagged(self._newest))
            else:
                queue.put_nowait(change)


def of_move(number: int, move: Transition) -> Change:
    data = orjson.dumps({"account": move.account, **transition_facts(move)}).decode()
    return Change(data, number=number)


def lagged(newest: int) -> Change:
    """Too much is missing: the viewer reads everything anew, and goes on from this move."""
    return Change("{}", "lagged", newest)


def _told(event: str, **facts: object) -> Change:
    return Change(orjson.dumps(facts).decode(), event)
