"""One look at the rows for all who look on: what moved since the last, whoever wrote it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import orjson
import structlog

from orderwatch.cancellation import shielded
from orderwatch.core.deliveries.bandwidth import Progress, SpeedMeter
from orderwatch.core.model import DeliveryState, Transition
from orderwatch.core.serializers import transfer_to_dict, transition_to_dict
from orderwatch.errors import DatabaseError
from orderwatch.ports.queries import Records
from orderwatch.web.row_numbers import BIGGEST
from orderwatch.web.server.sse import written

log = structlog.get_logger()

_PAUSE = 0.5  # seconds
_LAG = 500  # changes that a listener may be behind
_LATE = timedelta(seconds=10)  # from the time of a look to its row, at most


class ChangeEvent(NamedTuple):
    """`number` is that of a move; what is told besides has an `event` instead. `text` is what is sent."""

    text: str
    event: str | None = None
    number: int | None = None


class ChangeFeed:
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
        self._listeners: set[asyncio.Queue[ChangeEvent]] = set()
        self._turn = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._newest = 0
        self._touched: set[tuple[str, int]] = set()
        self._speeds = SpeedMeter()
        self._transfers: Sequence[Progress] = ()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[ChangeEvent]]:
        """Every change from here on; who takes them too slowly gets `lagged`, and no more."""
        queue: asyncio.Queue[ChangeEvent] = asyncio.Queue(_LAG)
        async with self._turn:
            if self._watching is None or self._watching.done():
                news = await self._records.news(BIGGEST, 0, self._now() - _LATE)
                self._newest, self._touched = news.newest, set(news.touched)
                self._transfers = self._speeds.measured(news.fetching, self._now())
                self._watching = asyncio.create_task(self._watch())
            if self._transfers:
                queue.put_nowait(_of_transfers(self._transfers))
            self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
            await shielded(self._rest())

    @property
    def newest(self) -> int | None:
        """The number of the last move that was told; None while nobody listens."""
        return self._newest if self._watching is not None else None

    async def transfers(self) -> Sequence[Progress]:
        """Those under way; with speeds for who asks again within a minute, or while somebody listens."""
        return self._transfers if self._watching is not None else await self._measured()

    async def _measured(self) -> Sequence[Progress]:
        fetching = await self._records.deliveries(DeliveryState.FETCHING)
        return self._speeds.measured(fetching, self._now())

    async def _rest(self) -> None:
        """Nobody reads any more once the last listener has left."""
        async with self._turn:
            if not self._listeners and self._watching is not None:
                watching, self._watching = self._watching, None
                watching.cancel()
                await asyncio.wait([watching])

    async def _watch(self) -> None:
        try:
            while True:
                with suppress(DatabaseError):  # those who work with it say so
                    await self._look()
                await self._pause()
        except Exception:
            log.exception("http.failed", path="/api/events")
            for queue in list(self._listeners):  # they come again
                self._drop(queue)

    async def _look(self) -> None:
        news = await self._records.news(self._newest, _LAG + 1, self._now() - _LATE)
        found = [of_move(number, move) for number, move in news.moves]
        moved = {(move.account, move.task_id) for _, move in news.moves}
        if fresh := sorted(set(news.touched) - self._touched - moved):
            found.append(_told("touched", orders=fresh))
        transfers = self._speeds.measured(news.fetching, self._now())
        if transfers != self._transfers:
            found.append(_of_transfers(transfers))
        self._tell(found)
        self._newest, self._touched, self._transfers = news.newest, set(news.touched), transfers

    def _tell(self, found: Sequence[ChangeEvent]) -> None:
        for queue in list(self._listeners):
            if queue.qsize() + len(found) > _LAG:  # a first sweep alone records thousands
                self._drop(queue)
            else:
                for change in found:
                    queue.put_nowait(change)

    def _drop(self, queue: asyncio.Queue[ChangeEvent]) -> None:
        self._listeners.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(lagged(self._newest))


def of_move(number: int, move: Transition) -> ChangeEvent:
    data = orjson.dumps({"account": move.account, **transition_to_dict(move)}).decode()
    return ChangeEvent(written(data, id=number), number=number)


def lagged(newest: int) -> ChangeEvent:
    """Too much is missing: the viewer reads everything anew, and goes on from this move."""
    return ChangeEvent(written("{}", event="lagged", id=newest), "lagged", newest)


def _of_transfers(transfers: Sequence[Progress]) -> ChangeEvent:
    return _told("transfers", transfers=[transfer_to_dict(going) for going in transfers])


def _told(event: str, **facts: object) -> ChangeEvent:
    return ChangeEvent(written(orjson.dumps(facts).decode(), event=event), event)
