"""`/agenda`, `/api/agenda` and `/calendar.ics`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from aiohttp import web

from orderwatch.core.agenda.entries import Entry
from orderwatch.core.agenda.icalendar import CONTENT_TYPE, calendar
from orderwatch.core.agenda.month import day_period, moments_of, neighbours, weeks_of
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.serializers import maybe_zulu
from orderwatch.ports import Store
from orderwatch.ports.agenda import Period
from orderwatch.web.agenda.agenda_reader import MAX_ORDERS, AgendaPart
from orderwatch.web.agenda.json_types import AgendaJson, EntryJson
from orderwatch.web.agenda.params import Shown, shown_of
from orderwatch.web.api.answers import respond, with_json_errors
from orderwatch.web.api.params import filters_of, period_of
from orderwatch.web.pages.page_renderer import PageRenderer
from orderwatch.web.server.etag import Packed, packed, sent
from orderwatch.web.server.response_cache import ResponseCache

_FEED_BEFORE, _FEED_AFTER = timedelta(days=30), timedelta(days=400)
_API_BEFORE, _API_AFTER = timedelta(days=7), timedelta(days=30)
_INTERVAL_SECONDS = 15.0  # between two answers: many orders are read
_MOMENTS_PER_DAY = 4  # of a month; the page of the day has all

Read = Callable[[Period], Awaitable[AgendaPart]]


class AgendaRoutes:
    """`read` returns the entries of a period."""

    def __init__(
        self,
        read: Read,
        records: Store,
        renderer: PageRenderer,
        sharing: ResponseCache,
        now: Callable[[], datetime],
    ) -> None:
        self._read = read
        self._records = records
        self._renderer = renderer
        self._sharing = sharing
        self._now = now

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/agenda", self.page)
        app.router.add_get("/api/agenda", with_json_errors(self.api))
        app.router.add_get("/calendar.ics", with_json_errors(self.feed))

    async def page(self, request: web.Request) -> web.Response:
        shown = shown_of(request.query, self._now().astimezone(UTC).date())
        address = shown.link(shown.month, shown.day)
        return await sent(
            request, await self._sharing.answer(address, partial(self._draw, shown), _INTERVAL_SECONDS)
        )

    async def _draw(self, shown: Shown) -> Packed:
        entries, complete = await self._read(shown.period)
        before, after = neighbours(shown.month)
        choices = await self._records.search.choices()
        return await self._renderer.page(
            "agenda.html",
            here="agenda",
            shown=shown,
            before=before,
            after=after,
            today=self._now().astimezone(UTC).date(),
            weeks=[] if shown.day else weeks_of(shown.month, entries),
            moments=moments_of(entries, shown.period.since, shown.period.until),
            per_day=_MOMENTS_PER_DAY,
            max_orders=None if complete else MAX_ORDERS,
            choices=[("account", "Account", choices.accounts), ("project", "Project", choices.projects)],
        )

    async def api(self, request: web.Request) -> web.Response:
        today = self._today()
        period = period_of(request.query.items(), today - _API_BEFORE, today + _API_AFTER)
        entries, complete = await self._read(period)
        body: AgendaJson = {
            "since": zulu(period.since),
            "until": zulu(period.until),
            "entries": await asyncio.to_thread(lambda: [_entry_to_dict(entry) for entry in entries]),
            "complete": complete,
        }
        return await respond(request, body)

    async def feed(self, request: web.Request) -> web.Response:
        """Returns the calendar file; its ETag changes only with what a calendar shows."""
        account, project = filters_of(request.query.items())
        address = Shown(self._today().date(), account=account, project=project).feed
        make = partial(self._calendar, account, project)
        return await sent(request, await self._sharing.answer(address, make, _INTERVAL_SECONDS))

    async def _calendar(self, account: str | None, project: str | None) -> Packed:
        today = self._today()
        entries, _ = await self._read(
            Period(since=today - _FEED_BEFORE, until=today + _FEED_AFTER, account=account, project=project)
        )
        file = await asyncio.to_thread(calendar, entries)
        return (await packed(file.text.encode(), CONTENT_TYPE))._replace(tag=file.tag)

    def _today(self) -> datetime:
        """Returns the begin of the day, so that equal answers stay equal for a day."""
        return day_period(self._now().astimezone(UTC).date())[0]


def _entry_to_dict(entry: Entry) -> EntryJson:
    return {
        "kind": entry.kind,
        "start": zulu(entry.start),
        "end": maybe_zulu(entry.end),
        "state": entry.state,
        "tentative": entry.tentative,
        "void": entry.void,
        "account": entry.account,
        "order_id": entry.order_id,
        "task_id": entry.task_id,
        "task_name": entry.task_name,
        "project_name": entry.project_name,
        "capture_id": entry.capture_id,
        "satellite_name": entry.satellite_name,
    }
