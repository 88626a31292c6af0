"""A scene's footprint as the catalogue shows it: a sound GeoJSON geometry with its box, or none."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Bbox = tuple[float, float, float, float]  # west, south, east, north in degrees; west > east across 180°

_POSITION, _LINE, _RINGS = 0, 1, 2
_DEPTHS = {
    "Point": _POSITION,
    "MultiPoint": _LINE,
    "LineString": _LINE,
    "MultiLineString": _RINGS,
    "Polygon": _RINGS,
    "MultiPolygon": _RINGS + 1,
}
_FEWEST, _PAIR = 4, 2  # positions of a ring, numbers of a position
_HALF, _WHOLE = 180, 360  # degrees
WORLD: Bbox = (-180.0, -90.0, 180.0, 90.0)


def sound(footprint: Mapping[str, object] | None) -> dict[str, object] | None:
    """The geometry; None where there is none, or none that GeoJSON allows."""
    kind = footprint.get("type") if footprint else None
    depth = _DEPTHS.get(kind) if isinstance(kind, str) else None
    if footprint is None or depth is None:
        return None
    coordinates = footprint.get("coordinates")
    closed = kind in {"Polygon", "MultiPolygon"}
    return {"type": kind, "coordinates": coordinates} if _is_sound(coordinates, depth, closed) else None


def bbox(geometry: Mapping[str, object]) -> Bbox:
    """The smallest box around a sound geometry."""
    positions = list(_positions(geometry["coordinates"]))
    south, north = min(p[1] for p in positions), max(p[1] for p in positions)
    west, east = _span([p[0] for p in positions])
    return west, south, east, north


def around(boxes: Iterable[Bbox]) -> Bbox:
    """A box that holds them all; the world where there are none."""
    found = list(boxes)
    if not found:
        return WORLD
    west, south, east, north = zip(*found, strict=True)
    if any(box[0] > box[2] for box in found):
        return WORLD[0], min(south), WORLD[2], max(north)
    return min(west), min(south), max(east), max(north)


def _span(longitudes: list[float]) -> tuple[float, float]:
    """What is wider than half the globe, or leaves it, crosses 180°: its box begins after the widest gap."""
    west, east = min(longitudes), max(longitudes)
    if west >= -_HALF and east <= _HALF and east - west <= _HALF:
        return west, east
    ordered = sorted({_on_the_globe(lon) for lon in longitudes})
    following = [*ordered[1:], ordered[0] + _WHOLE]
    widest = max(range(len(ordered)), key=lambda i: following[i] - ordered[i])
    west, east = ordered[(widest + 1) % len(ordered)], ordered[widest]
    return west, float(_HALF) if east == -_HALF else east


def _on_the_globe(lon: float) -> float:
    return lon if -_HALF <= lon < _HALF else (lon + _HALF) % _WHOLE - _HALF


def _is_sound(value: object, depth: int, closed: bool) -> bool:  # noqa: FBT001 - of this file only
    if depth == _POSITION:
        return _is_position(value)
    if not isinstance(value, list) or not value:
        return False
    if depth == _LINE and closed and not (len(value) >= _FEWEST and value[0] == value[-1]):
        return False
    return all(_is_sound(part, depth - 1, closed) for part in value)


def _is_position(value: object) -> bool:
    numbers = value if isinstance(value, list) else []
    if len(numbers) < _PAIR or not all(type(n) in {int, float} and math.isfinite(n) for n in numbers):
        return False
    return bool(abs(numbers[0]) <= _WHOLE and abs(numbers[1]) <= _HALF / 2)


def _positions(coordinates: Any) -> Iterator[list[float]]:  # noqa: ANN401 - lists, as deep as may be
    if isinstance(coordinates[0], list):
        for part in coordinates:
            yield from _positions(part)
    else:
        yield coordinates
