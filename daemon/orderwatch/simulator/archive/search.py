"""Which tiles a search finds, and the pages of its answer."""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from orderwatch.simulator.archive import items
from orderwatch.simulator.archive.tiles import Tile, tiles
from orderwatch.simulator.assets.grid import bounds_of
from orderwatch.simulator.auth import Refused
from orderwatch.simulator.documents import Document
from orderwatch.simulator.state import Simulator

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_OPEN_END = {"", ".."}

Bounds = tuple[float, float, float, float]


def found(simulator: Simulator, body: Document, contracts: Collection[str], at: float) -> list[Tile]:
    """Return the visible tiles that fit a search, newest first."""
    if "query" in body:
        raise Refused(403, {"message": "Forbidden"})
    outcome = _outcome(simulator, body.get("filter"))
    fits = _Conditions(
        collections=body.get("collections"),
        ids=body.get("ids"),
        bounds=_bounds(body),
        interval=_interval(body.get("datetime")),
    )
    places = [
        tile
        for tile in _candidates(simulator, outcome, body.get("ids"))
        if tile.appears <= at and simulator.scenario.contract_of(tile.order) in contracts
    ]
    chosen = [tile for tile in places if fits.hold(tile, lambda tile: items.taken(simulator, tile))]
    return sorted(chosen, key=lambda tile: (tile.capture.taken, tile.number), reverse=True)


def page(simulator: Simulator, body: Document, rows: list[Tile], address: str, at: float) -> Document:
    """Return a page of items, with the whole next request in its link."""
    options = simulator.scenario.archive
    limit = body.get("limit", options.page_size)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise Refused(400, {"message": "limit must be a positive number"})
    limit = min(limit, options.page_max)
    start = _offset(body["token"]) if "token" in body and not options.repeat_token else 0
    images = [(tile, tile.image(at)) for tile in rows[start : start + limit]]
    shown = [items.item(simulator, tile, image) for tile, image in images if image is not None]
    ends = start if options.empty_last and rows else start + limit
    links: list[Document] = [{"rel": "self", "type": "application/geo+json", "href": address}]
    if options.repeat_token or ends < len(rows):
        following = {**body, "token": _token(start + limit)}
        links.append({"rel": "next", "method": "POST", "href": address, "body": following})
    return {"type": "FeatureCollection", "features": shown, "links": links}


class _Conditions(NamedTuple):
    collections: Collection[str] | None
    ids: Collection[str] | None
    bounds: Bounds | None
    interval: tuple[datetime, datetime] | None

    def hold(self, tile: Tile, taken: Callable[[Tile], datetime]) -> bool:
        return (
            (self.collections is None or tile.collection in self.collections)
            and (self.ids is None or tile.item_id in self.ids)
            and (self.bounds is None or _overlap(self.bounds, tile.square.bounds))
            and (self.interval is None or self.interval[0] <= taken(tile) <= self.interval[1])
        )


def _candidates(simulator: Simulator, outcome: str | None, ids: Collection[str] | None) -> Iterable[Tile]:
    if outcome is not None:
        order = simulator.world.owner(outcome)
        captures = order.captures if order is not None else ()
        return [
            tile
            for capture in captures
            if order is not None and capture.capture_id == outcome
            for tile in tiles(order, capture)
        ]
    known = simulator.index.tiles
    if ids is not None:
        return [known[item_id] for item_id in ids if item_id in known]
    return known.values()


def _outcome(simulator: Simulator, condition: object) -> str | None:
    """Return the outcome that a filter selects; None if there is none or it is ignored."""
    if condition is None:
        return None
    match simulator.scenario.archive.cql2:
        case "honoured":
            pass
        case "ignored":
            return None
        case status:
            raise Refused(status, {"message": "filter is not supported"})
    match condition:
        case {
            "op": "=",
            "args": [{"property": "satl:outcome_id"}, str(outcome)],
        }:
            return outcome
        case _:
            raise Refused(400, {"message": "unknown filter"})


def _bounds(body: Document) -> Bounds | None:
    try:
        if "intersects" in body:
            return bounds_of(body["intersects"])
        if "bbox" in body:
            west, south, east, north = map(float, body["bbox"])
            return west, south, east, north
    except (KeyError, TypeError, ValueError):
        raise Refused(400, {"message": "intersects or bbox is invalid"}) from None
    return None


def _interval(text: object) -> tuple[datetime, datetime] | None:
    if text is None:
        return None
    begins, _, ends = str(text).partition("/")
    bounds = (
        _instant(begins, datetime.min.replace(tzinfo=UTC)),
        _instant(ends or begins, datetime.max.replace(tzinfo=UTC)),
    )
    if bounds[1] < bounds[0]:
        raise Refused(400, {"message": "datetime ends before it begins"})
    return bounds


def _instant(text: str, otherwise: datetime) -> datetime:
    if text in _OPEN_END:
        return otherwise
    if not _INSTANT.fullmatch(text):
        raise Refused(400, {"message": "datetime must be RFC 3339"})
    return datetime.fromisoformat(text)


def _overlap(one: Bounds, other: Bounds) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"next:{offset}".encode()).decode()


def _offset(token: object) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(str(token)).decode().partition(":")
        if word == "next":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Refused(400, {"message": "token is invalid"})
