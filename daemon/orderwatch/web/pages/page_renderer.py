"""Renders templates within the frame of every page: navigation, verdict, time and version."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

import orderwatch
from orderwatch.errors import DatabaseError
from orderwatch.ports.dashboard import Overview
from orderwatch.web.pages.template_filters import templates
from orderwatch.web.server.etag import Packed, packed

_HTML = "text/html; charset=utf-8"


class PageLink(NamedTuple):
    """An entry of the navigation; a page names it as `here`."""

    here: str
    path: str
    label: str


NAVIGATION = (
    PageLink("orders", "/", "Orders"),
    PageLink("queue", "/queue", "Queue"),
    PageLink("agenda", "/agenda", "Agenda"),
    PageLink("gallery", "/gallery", "Gallery"),
    PageLink("events", "/events", "Events"),
)


@dataclass(frozen=True, slots=True)
class PageRenderer:
    """Renders templates that extend `base.html`; each has the `overview`, whose verdict is on every page."""

    _overview: Callable[[], Awaitable[Overview]]
    _now: Callable[[], datetime]

    async def page(self, template: str, *, here: str, **facts: object) -> Packed:
        """Returns a page for several viewers; `here` is its entry of the navigation."""
        overview = facts.pop("overview", None) or await self._overview()
        drawn = await self._draw(template, here=here, overview=overview, **facts)
        return await packed(drawn.encode(), _HTML)

    async def error_page(self, template: str, reason: str) -> str:
        """Returns a page that is shown even if the database cannot be read."""
        try:
            overview = await self._overview()
        except DatabaseError:
            overview = None
        return await self._draw(template, here="", overview=overview, reason=reason)

    async def _draw(self, template: str, **facts: object) -> str:
        draw = partial(
            templates().get_template(template).render,
            now=self._now(),
            version=orderwatch.__version__,
            navigation=NAVIGATION,
        )
        return await asyncio.to_thread(draw, **facts)  # does not block the loop
