"""`/api/events`: every recorded move to whoever listens, and what came since it listened last."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from aiohttp import web

from orderwatch.errors import DatabaseError
from orderwatch.ports.queries import Records
from orderwatch.web.api.change_feed import ChangeEvent, ChangeFeed, lagged, of_move
from orderwatch.web.api.params import after_of
from orderwatch.web.row_numbers import number_of
from orderwatch.web.server.sse import Send, event_stream

_REPLAYED = 1_000  # moves at most


def events(records: Records, changes: ChangeFeed) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def stream(request: web.Request) -> web.StreamResponse:
        after = after_of(request.query.items())
        last = number_of(request.headers.get("Last-Event-ID", ""))
        async with AsyncExitStack() as stack:
            queue = None
            with suppress(DatabaseError):  # the viewer comes again by itself
                queue = await stack.enter_async_context(changes.listening())
            # Only now: whoever knows that the stream has begun misses nothing from then on.
            send = await stack.enter_async_context(event_stream(request))
            if queue is not None:
                with suppress(DatabaseError):
                    await _follow(records, queue, send, after if last is None else last)
        return send.response

    return stream


async def _follow(records: Records, queue: asyncio.Queue[ChangeEvent], send: Send, after: int | None) -> None:
    sent = await _replay(records, send, after) if after is not None else 0
    while True:
        found = [await queue.get()]
        while not queue.empty():  # what one look found goes out at once
            found.append(queue.get_nowait())
        await send(*(c.text for c in found if c.event or c.number is None or c.number > sent))
        if found[-1].event == "lagged":
            return


async def _replay(records: Records, send: Send, after: int) -> int:
    """The number of the last move that needs not be sent again."""
    newest = await records.newest_move()
    if not 0 <= newest - after <= _REPLAYED:
        await send(lagged(newest).text)
        return newest
    missed = await records.moves_after(after)
    await send(*(of_move(number, move).text for number, move in missed))
    return missed[-1][0] if missed else after
