"""Polls the database once for all viewers, and sends them what changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
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
from orderwatch.ports import Store
from orderwatch.web.api.json_types import TransfersJson
from orderwatch.web.row_numbers import MAX_ROW_NUMBER
from orderwatch.web.server.sse import format_event

log = structlog.get_logger()

_POLL_SECONDS = 0.5
_MAX_LISTENER_LAG = 500  # events
_MAX_WRITE_DELAY = timedelta(seconds=10)  # from the time in a row to its commit


class ChangeEvent(NamedTuple):
    """A formatted event: a status change with its `number`, or another one with its `event` name."""

    text: str
    event: str | None = None
    number: int | None = None


class ChangeFeed:
    """Polls while it has listeners, after each `pause`."""

    def __init__(
        self,
        records: Store,
        now: Callable[[], datetime],
        pause: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._records = records
        self._now = now
        self._pause = pause or partial(asyncio.sleep, _POLL_SECONDS)
        self._listeners: set[asyncio.Queue[ChangeEvent]] = set()
        self._lock = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._newest = 0
        self._touched: set[tuple[str, str]] = set()
        self._attention: Collection[str] = ()
        self._reviews = 0  # that changed what needs a person
        self._speeds = SpeedMeter()
        self._transfers: Sequence[Progress] = ()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[ChangeEvent]]:
        """Yields a queue of the changes from now on; it ends with `lagged` for a slow listener."""
        queue: asyncio.Queue[ChangeEvent] = asyncio.Queue(_MAX_LISTENER_LAG)
        async with self._lock:
            if self._watching is None or self._watching.done():
                news = await self._records.history.news(MAX_ROW_NUMBER, 0, self._now() - _MAX_WRITE_DELAY)
                self._newest, self._touched = news.newest, set(news.touched)
                self._attention = news.attention
                self._transfers = self._speeds.measured(news.fetching, self._now())
                self._watching = asyncio.create_task(self._watch())
            if self._transfers:
                queue.put_nowait(_of_transfers(self._transfers))
            self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
            await shielded(self._stop_if_unused())

    @property
    def newest(self) -> int | None:
        """A number that grows with each change that was sent; None without listeners."""
        return self._newest + self._reviews if self._watching is not None else None

    async def transfers(self) -> Sequence[Progress]:
        """Returns the running downloads; with speeds from the second call within a minute on."""
        return self._transfers if self._watching is not None else await self._measured()

    async def _measured(self) -> Sequence[Progress]:
        fetching = await self._records.deliveries.in_states(DeliveryState.FETCHING)
        return self._speeds.measured(fetching, self._now())

    async def _stop_if_unused(self) -> None:
        """Stops polling without listeners."""
        async with self._lock:
            if not self._listeners and self._watching is not None:
                watching, self._watching = self._watching, None
                watching.cancel()
                await asyncio.wait([watching])

    async def _watch(self) -> None:
        try:
            while True:
                with suppress(DatabaseError):  # logged by the workers
                    await self._poll()
                await self._pause()
        except Exception:
            log.exception("http.failed", path="/api/events")
            for queue in list(self._listeners):  # they reconnect
                self._drop(queue)

    async def _poll(self) -> None:
        news = await self._records.history.news(
            self._newest, _MAX_LISTENER_LAG + 1, self._now() - _MAX_WRITE_DELAY
        )
        found = [of_move(number, move) for number, move in news.moves]
        moved = {(move.account, move.order_id) for _, move in news.moves}
        if fresh := sorted(set(news.touched) - self._touched - moved):
            found.append(_event("touched", {"orders": fresh}))
        if news.attention != self._attention:
            found.append(_event("attention", {"number": len(news.attention)}))
            self._reviews += 1
        transfers = self._speeds.measured(news.fetching, self._now())
        if transfers != self._transfers:
            found.append(_of_transfers(transfers))
        self._send(found)
        self._newest, self._touched, self._transfers = news.newest, set(news.touched), transfers
        self._attention = news.attention

    def _send(self, found: Sequence[ChangeEvent]) -> None:
        for queue in list(self._listeners):
            if queue.qsize() + len(found) > _MAX_LISTENER_LAG:  # the first sweep records thousands
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
    return ChangeEvent(format_event(data, id=number), number=number)


def lagged(newest: int) -> ChangeEvent:
    """Returns the event for a viewer that missed too much: reload everything, and continue here."""
    return ChangeEvent(format_event("{}", event="lagged", id=newest), "lagged", newest)


def _of_transfers(transfers: Sequence[Progress]) -> ChangeEvent:
    return _event(
        "transfers", TransfersJson(transfers=[transfer_to_dict(transfer) for transfer in transfers])
    )


def _event(event: str, data: Mapping[str, object]) -> ChangeEvent:
    return ChangeEvent(format_event(orjson.dumps(data).decode(), event=event), event)
