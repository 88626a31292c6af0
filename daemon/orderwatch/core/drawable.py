"""What somebody says of a place: a GeoJSON geometry that can be drawn, or none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeGuard

Geometry = dict[str, object]
Position = list[float]  # longitude, latitude in degrees

_MOST_POSITIONS = 10_000
_MOST_RINGS = 1_000
_FEWEST = 4  # positions of a ring, which ends where it begins
_EAST, _NORTH = 360, 90  # degrees; what crosses the antimeridian goes on beyond 180


def drawable(value: object) -> Geometry | None:
    """A Point, MultiPoint, Polygon or MultiPolygon without heights and with nothing else inside, or None."""
    if not isinstance(value, Mapping):
        return None
    kind = value.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        return None
    try:
        return {"type": kind, "coordinates": read(value.get("coordinates"))}
    except ValueError:
        return None


def positions(geometry: Mapping[str, object]) -> Iterator[Position]:
    """Every one of a sound geometry."""
    yield from _within_lists(geometry["coordinates"])


def _within_lists(value: object) -> Iterator[Position]:
    match value:
        case [float() | int() as east, float() | int() as north]:
            yield [east, north]
        case list():
            for part in value:
                yield from _within_lists(part)


def _polygons(value: object) -> list[list[list[Position]]]:
    """Counted before they are walked; `ValueError` where they are too many, or no polygons."""
    polygons = [[_list(ring) for ring in _list(polygon)] for polygon in _list(value)]
    rings = [ring for polygon in polygons for ring in polygon]
    if not polygons or not all(polygons) or len(rings) > _MOST_RINGS:
        raise ValueError
    if sum(map(len, rings)) > _MOST_POSITIONS:
        raise ValueError
    return [[_ring(ring) for ring in polygon] for polygon in polygons]


def _ring(value: Sequence[object]) -> list[Position]:
    ring = [_position(position) for position in value]
    if len(ring) < _FEWEST or ring[0] != ring[-1]:
        raise ValueError
    return ring


def _points(value: object) -> list[Position]:
    points = _list(value)
    if not 0 < len(points) <= _MOST_POSITIONS:
        raise ValueError
    return [_position(point) for point in points]


def _position(value: object) -> Position:
    """Without its height."""
    match value:
        case [east, north] | [east, north, _] if _within(east, _EAST) and _within(north, _NORTH):
            return [float(east), float(north)]
        case _:
            raise ValueError


def _within(value: object, most: int) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most


def _list(value: object) -> list[object] | tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError  # noqa: TRY004 - what is wrong with it is nobody's concern
    return value


_READERS: dict[str, Callable[[object], object]] = {
    "Point": _position,
    "MultiPoint": _points,
    "Polygon": lambda value: _polygons([value])[0],
    "MultiPolygon": _polygons,
}
