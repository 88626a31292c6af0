"""`/queue` and `/api/queue`."""

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlencode

from aiohttp import hdrs, web

from orderwatch.core.queue.report import QueueReport
from orderwatch.web.api.answers import respond, with_json_errors
from orderwatch.web.api.params import MAX_OFFSET, part_of
from orderwatch.web.pages.page_renderer import PageRenderer
from orderwatch.web.queue.serializers import queue_to_dict
from orderwatch.web.row_numbers import number_of
from orderwatch.web.server.etag import Packed, sent
from orderwatch.web.server.response_cache import ResponseCache

_FILES_PER_PAGE = 100
_INTERVAL_SECONDS = 5.0  # between two answers: every row to come is counted

Report = Callable[[int, int], Awaitable[QueueReport]]


class QueueRoutes:
    """`report` returns the queue with the part of its files at an offset, up to a limit."""

    def __init__(self, report: Report, renderer: PageRenderer, sharing: ResponseCache) -> None:
        self._report = report
        self._renderer = renderer
        self._sharing = sharing

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/queue", self.page)
        app.router.add_get("/api/queue", with_json_errors(self.api))

    async def page(self, request: web.Request) -> web.Response:
        offset = min(number_of(request.query.get("offset", "")) or 0, MAX_OFFSET)
        draw = partial(self._draw, offset)
        return await sent(
            request, await self._sharing.answer(f"/queue?offset={offset}", draw, _INTERVAL_SECONDS)
        )

    async def _draw(self, offset: int) -> Packed:
        report = await self._report(offset, _FILES_PER_PAGE)
        end = offset + len(report.part.files)
        return await self._renderer.page(
            "queue.html",
            here="queue",
            report=report,
            end=end,
            more=f"/queue?offset={end}" if report.part.files and end < report.backlog.files else None,
            former=f"/queue?offset={max(0, offset - _FILES_PER_PAGE)}" if offset else None,
        )

    async def api(self, request: web.Request) -> web.Response:
        offset, limit = part_of(request.query.items())
        report = await self._report(offset, limit)
        following = _next_part(offset, limit, report.backlog.files)
        response = await respond(request, queue_to_dict(report, limit, following))
        if following is not None:
            response.headers[hdrs.LINK] = f'<{following}>; rel="next"'
        return response


def _next_part(offset: int, limit: int, files: int) -> str | None:
    """Returns the URL of the next part, relative to the server."""
    end = offset + limit
    return f"/api/queue?{urlencode({'offset': end, 'limit': limit})}" if end < files else None
