"""Pages of v2 and the envelopes of its lists."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from aiohttp import web
from yarl import URL

from orderwatch.simulator.documents import Document
from orderwatch.simulator.responses import json_response, number
from orderwatch.simulator.state import Simulator

T = TypeVar("T")


def features(
    simulator: Simulator, request: web.Request, rows: Sequence[T], show: Callable[[T], Document]
) -> web.Response:
    """Return a page of orders; `show` returns features."""
    shown, rest = _cut(simulator, request, rows)
    return json_response({"type": "FeatureCollection"} | rest | {"features": [show(row) for row in shown]})


def enveloped(
    simulator: Simulator, request: web.Request, rows: Sequence[T], show: Callable[[T], Document]
) -> web.Response:
    """Return a page of another list in the envelope of the scenario; a bare list has no pages."""
    options = simulator.scenario.v2
    is_nested = options.envelope == "features" if options.nested is None else options.nested

    def row_of(row: T) -> Document:
        return nested(show(row)) if is_nested else show(row)

    if options.envelope == "list":
        return json_response([row_of(row) for row in rows])
    shown, rest = _cut(simulator, request, rows)
    return json_response(rest | {options.envelope: [row_of(row) for row in shown]})


def nested(row: Document) -> Document:
    """Return a row as a feature."""
    return {"type": "Feature", "geometry": None, "properties": row}


def _cut(simulator: Simulator, request: web.Request, rows: Sequence[T]) -> tuple[Sequence[T], Document]:
    options = simulator.scenario.v2
    limit = min(number(request, "limit") or options.page_size, options.page_max)
    offset = number(request, "offset")
    base = simulator.api_url if options.next == "absolute" else ""

    def url(start: int) -> str:
        rest = {name: value for name, value in request.query.items() if name not in {"limit", "offset"}}
        query = URL().with_query({"offset": str(start), "limit": str(limit)} | rest)
        return f"{base}{request.path.rstrip('/')}{query}"

    return rows[offset : offset + limit], {
        "count": len(rows),
        "next": url(offset + limit) if offset + limit < len(rows) else None,
        "previous": url(max(0, offset - limit)) if offset else None,
    }
