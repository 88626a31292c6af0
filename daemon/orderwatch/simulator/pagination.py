"""A page of a list, as the provider's framework cuts it: only the rows on it are ever shown."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from aiohttp import web

from orderwatch.simulator.documents import Document
from orderwatch.simulator.responses import json_response
from orderwatch.simulator.scenario import Scenario

T = TypeVar("T")


def page(
    scenario: Scenario, request: web.Request, rows: Sequence[T], show: Callable[[T], Document]
) -> web.Response:
    limit = min(number(request, "limit") or scenario.page_size, scenario.page_max)
    offset = number(request, "offset")

    def url(start: int) -> str:
        return str(request.url.update_query(limit=limit, offset=start))

    return json_response(
        {
            "count": len(rows),
            "next": url(offset + limit) if offset + limit < len(rows) else None,
            "previous": url(max(0, offset - limit)) if offset else None,
            "results": [show(row) for row in rows[offset : offset + limit]],
        }
    )


def number(request: web.Request, name: str) -> int:
    """The query's number; 0 where there is none, or nonsense, as the provider's framework reads it."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0
