"""Reads targets of orders: GeoJSON Points and Polygons in degrees, longitude first."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from orderwatch.core.field_parsers import shown
from orderwatch.core.geo.polygon import ring_problem

_MEMBERS = {"type", "coordinates", "bbox", "crs"}
_CRS84 = {
    "urn:ogc:def:crs:OGC:1.3:CRS84",
    "urn:ogc:def:crs:OGC::CRS84",
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "OGC:CRS84",
}
_ADVICE = {
    "MultiPolygon": "split it into orders of one Polygon each",
    "MultiPoint": "split it into orders of one Point each",
    "GeometryCollection": "split it into orders of one Point or Polygon each",
    "Feature": "give its geometry, a Point or a Polygon",
}
_MAX_POSITIONS = 10_000
_MAX_PROBLEMS = 5
_MAX_LONGITUDE, _MAX_LATITUDE, _FULL_TURN = 180, 90, 360
_POSITION = "[longitude, latitude] in degrees"
_TOLERANCE_DEGREES = 1.0001e-5  # about a metre, since providers round
_CELLS_PER_DEGREE = 50_000  # a cell is twice the tolerance

Spot = tuple[float, float]


def read_target(value: object) -> tuple[dict[str, object] | None, list[str]]:
    """Returns the normalised geometry, or every problem with it."""
    if not isinstance(value, Mapping):
        return None, ['must be a geometry, e.g. {"type": "Point", "coordinates": [longitude, latitude]}']
    kind = value.get("type")
    members = [key for key in value if key not in _MEMBERS] if kind in ("Point", "Polygon") else []
    problems = [f"{shown(str(key))}: is not allowed in a geometry; remove it" for key in members]
    problems = problems[:_MAX_PROBLEMS]
    if "crs" in value and not is_crs84(value["crs"]):
        problems.append(f"crs: {NOT_CRS84}")
    coordinates, wrong = _coordinates(kind, value.get("coordinates"))
    problems += wrong
    return (None if problems else {"type": kind, "coordinates": coordinates}), problems


NOT_CRS84 = "must be CRS84; export it in WGS 84, longitude first, as GeoJSON requires"


def is_crs84(crs: object) -> bool:
    """Returns whether a `crs` member, obsolete in GeoJSON, names the default."""
    match crs:
        case {"type": "name", "properties": {"name": str(name)}}:
            return name in _CRS84
        case _:
            return False


def normalised(target: Mapping[str, Any]) -> dict[str, object]:
    """Returns the target with lists of floats, without heights of 0 and other members."""
    return {"type": target["type"], "coordinates": _normal(target["coordinates"])}


def may_be_one(target: Mapping[str, object], seen: object) -> bool:
    """Returns whether the provider may show this target: the corners agree within a metre.

    Heights, holes, and the start and direction of a ring do not count; an unreadable target may be any.
    """
    ours, theirs = _outline(target), _outline(seen)
    if ours is None or theirs is None:
        return True
    (kind, here), (other_kind, there) = ours, theirs
    return kind == other_kind and _are_near(here, there) and _are_near(there, here)


def _coordinates(kind: object, value: object) -> tuple[object, list[str]]:
    match kind:
        case "Point":
            try:
                return _position(value), []
            except ValueError as error:
                return None, [str(error)]
        case "Polygon":
            return _polygon(value)
        case str():
            return None, [
                f"{shown(kind)} cannot be ordered; {_ADVICE.get(kind, 'give a Point or a Polygon')}"
            ]
        case _:
            return None, ["type: missing; write Point or Polygon"]


def _polygon(value: object) -> tuple[object, list[str]]:
    raw_rings = _raw_rings(value)
    if not raw_rings:
        return None, ["must be a Polygon with rings like [[[longitude, latitude], …]]"]
    if (count := sum(map(len, raw_rings))) > _MAX_POSITIONS:
        return None, [f"has {count} positions; simplify it to at most {_MAX_POSITIONS}"]
    rings, problems = [], []
    for number, raw in enumerate(raw_rings):
        try:
            rings.append(_ring(raw, hole=number > 0))
        except ValueError as error:
            problems.append(f"{f'hole {number}' if number else 'the outer ring'} {error}")
    more = len(problems) - _MAX_PROBLEMS
    return rings, [*problems[:_MAX_PROBLEMS], f"and {more} more holes are invalid"] if more > 0 else problems


def _raw_rings(value: object) -> list[list[object]]:
    """Returns the lists of the rings, empty if they are not nested like a Polygon's."""
    rings = value if isinstance(value, list | tuple) else []
    lists = [list(ring) for ring in rings if isinstance(ring, list | tuple)]
    match lists:
        case [[[*_], *_], *_] if len(lists) == len(rings):
            return lists
        case _:
            return []


def _ring(value: Iterable[object], *, hole: bool) -> list[list[float]]:
    ring = []
    for number, raw in enumerate(value, start=1):
        try:
            ring.append(_position(raw))
        except ValueError as error:
            raise ValueError(f"at position {number} {error}") from None
    if problem := ring_problem(ring, hole=hole):
        raise ValueError(problem)
    return ring


def _position(value: object) -> list[float]:
    match value:
        case [_, _] | [_, _, _]:
            numbers = [_number(number) for number in value]
        case _:
            raise ValueError(f"is not a position; write {_POSITION}")
    longitude, latitude, *_ = numbers
    if abs(latitude) > _MAX_LATITUDE:
        swapped = abs(longitude) <= _MAX_LATITUDE and abs(latitude) <= _MAX_LONGITUDE
        advice = "longitude comes first" if swapped else f"write {_POSITION}"
        raise ValueError(f"has a latitude of {latitude:g}, beyond {_MAX_LATITUDE}; {advice}")
    if abs(longitude) > _MAX_LONGITUDE:
        raise ValueError(f"has a longitude of {longitude:g}, beyond {_MAX_LONGITUDE}; write {_POSITION}")
    return _plain(numbers)


def _number(value: object) -> float:
    if (number := _finite(value)) is None:
        raise ValueError(f"is not a position of numbers; write {_POSITION}")
    return number


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _normal(value: Any) -> list[Any]:  # noqa: ANN401 - coordinates of any depth
    return [_normal(inner) for inner in value] if isinstance(value[0], list | tuple) else _plain(value)


def _plain(position: Iterable[float]) -> list[float]:
    longitude, latitude, *height = (float(number) + 0.0 for number in position)  # no -0.0
    return [longitude, latitude, *height] if any(height) else [longitude, latitude]


def _outline(target: object) -> tuple[str, set[Spot]] | None:
    """Returns the type and the positions of a Point or Polygon, None if it is unreadable."""
    match target:
        case {"type": "Point", "coordinates": position}:
            kind, positions = "Point", [position]
        case {"type": "Polygon", "coordinates": [[*positions], *_]} | {
            "type": "MultiPolygon",
            "coordinates": [[[*positions], *_]],
        }:
            kind = "Polygon"
        case _:
            return None
    spots = {_spot(position) for position in positions}
    known = {spot for spot in spots if spot is not None}
    return (kind, known) if known and len(known) == len(spots) else None


def _spot(position: object) -> Spot | None:
    match position:
        case [longitude, latitude, *_]:
            here = _finite(longitude), _finite(latitude)
        case _:
            return None
    match here:
        case (float(x), float(y)) if abs(x) <= _FULL_TURN and abs(y) <= _MAX_LATITUDE:
            return x % _FULL_TURN, y
        case _:
            return None


def _are_near(some: set[Spot], others: set[Spot]) -> bool:
    """Returns whether each of some is near one of the others."""
    cells: dict[tuple[int, int], list[Spot]] = {}
    for spot in others:
        cells.setdefault(_cell(spot), []).append(spot)
    return all(any(_is_near(spot, other) for other in _around(spot, cells)) for spot in some)


def _around(spot: Spot, cells: Mapping[tuple[int, int], list[Spot]]) -> Iterable[Spot]:
    column, row = _cell(spot)
    for east in (-1, 0, 1):
        for north in (-1, 0, 1):
            yield from cells.get(((column + east) % (_FULL_TURN * _CELLS_PER_DEGREE), row + north), ())


def _cell(spot: Spot) -> tuple[int, int]:
    column, row = (math.floor(degrees * _CELLS_PER_DEGREE) for degrees in spot)
    return column % (_FULL_TURN * _CELLS_PER_DEGREE), row


def _is_near(one: Spot, two: Spot) -> bool:
    east = abs(one[0] - two[0])
    return min(east, _FULL_TURN - east) <= _TOLERANCE_DEGREES and abs(one[1] - two[1]) <= _TOLERANCE_DEGREES
