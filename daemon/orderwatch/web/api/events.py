"""`/api/events`: a stream of recorded status changes, with those since the last connection."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from aiohttp import web

from orderwatch.errors import DatabaseError
from orderwatch.ports import Store
from orderwatch.web.api.change_feed import ChangeEvent, ChangeFeed, lagged, of_move
from orderwatch.web.api.params import after_of
from orderwatch.web.row_numbers import number_of
from orderwatch.web.server.sse import Send, event_stream

_MAX_REPLAYED_CHANGES = 1_000


def events(records: Store, changes: ChangeFeed) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def stream(request: web.Request) -> web.StreamResponse:
        after = after_of(request.query.items())
        last = number_of(request.headers.get("Last-Event-ID", ""))
        async with AsyncExitStack() as stack:
            queue = None
            with suppress(DatabaseError):  # the viewer reconnects
                queue = await stack.enter_async_context(changes.listening())
            # Only now, so that a viewer misses nothing once the stream has begun.
            send = await stack.enter_async_context(event_stream(request))
            if queue is not None:
                with suppress(DatabaseError):
                    await _follow(records, queue, send, after if last is None else last)
        return send.response

    return stream


async def _follow(records: Store, queue: asyncio.Queue[ChangeEvent], send: Send, after: int | None) -> None:
    sent = await _replay(records, send, after) if after is not None else 0
    while True:
        found = [await queue.get()]
        while not queue.empty():  # sends the result of one poll at once
            found.append(queue.get_nowait())
        await send(*(c.text for c in found if c.event or c.number is None or c.number > sent))
        if found[-1].event == "lagged":
            return


async def _replay(records: Store, send: Send, after: int) -> int:
    """Sends the missed changes, and returns the number of the last one."""
    newest = await records.history.newest_number()
    if not 0 <= newest - after <= _MAX_REPLAYED_CHANGES:
        await send(lagged(newest).text)
        return newest
    missed = await records.history.after(after)
    await send(*(of_move(number, move).text for number, move in missed))
    return missed[-1][0] if missed else after
