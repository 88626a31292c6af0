"""`/api/events`: every recorded move to whoever listens, and what came since it listened last."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from orderwatch.errors import DatabaseError
from orderwatch.ports.sight import Records
from orderwatch.web.api.changes import Changes, lagged, of_move
from orderwatch.web.api.parameters import after_of, number_of
from orderwatch.web.streaming import Send, event_stream

_REPLAYED = 1_000  # moves at most


def events(records: Records, changes: Changes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def stream(request: web.Request) -> web.StreamResponse:
        after = after_of(request.query.items())
        last = number_of(request.headers.get("Last-Event-ID", ""))
        async with event_stream(request) as send:
            with suppress(DatabaseError):  # the viewer comes again by itself
                await _follow(records, changes, send, after if last is None else last)
        return send.response

    return stream


async def _follow(records: Records, changes: Changes, send: Send, after: int | None) -> None:
    async with changes.listening() as queue:
        sent = await _replay(records, send, after) if after is not None else 0
        while True:
            change = await queue.get()
            if change.number is None or change.number > sent or change.event:
                await send(change.data, event=change.event, id=change.number)
            if change.event == "lagged":
                return


async def _replay(records: Records, send: Send, after: int) -> int:
    """The number of the last move that needs not be sent again."""
    newest = await records.newest_move()
    if not 0 <= newest - after <= _REPLAYED:
        change = lagged(newest)
        await send(change.data, event=change.event, id=newest)
        return newest
    for number, move in await records.moves_after(after):
        await send(of_move(number, move).data, id=number)
        after = number
    return after
