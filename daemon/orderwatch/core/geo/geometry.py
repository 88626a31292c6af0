"""Reads GeoJSON geometries of the provider, and writes them as RFC 7946 requires."""

from collections.abc import Iterable, Sequence
from typing import TypeGuard

from orderwatch.core.geo.antimeridian import RINGS_CROSS, cut, wrapped
from orderwatch.core.geo.meridian import Polygon, Position, Ring
from orderwatch.core.geo.polygon import do_cross

Geometry = dict[str, object]

_MAX_POSITIONS = 10_000
_MAX_RINGS = 1_000
_MAX_LONGITUDE, _MAX_LATITUDE = 360, 90  # longitudes exceed 180 across the antimeridian


def drawable(value: object) -> Geometry | None:
    """Returns the geometry as `read_geometry` does, or None if it is invalid."""
    try:
        return read_geometry(value)
    except ValueError:
        return None


def read_geometry(value: object) -> Geometry:
    """Returns a Point, MultiPoint, Polygon or MultiPolygon without heights and other members.

    Longitudes are within -180 and 180, polygons are cut at the antimeridian, outer rings run
    counter-clockwise. `ValueError` says why an invalid geometry is rejected.
    """
    match value:
        case {"type": "Point", "coordinates": position}:
            return {"type": "Point", "coordinates": wrapped(_position(position))}
        case {"type": "MultiPoint", "coordinates": points}:
            return {"type": "MultiPoint", "coordinates": [wrapped(point) for point in _points(points)]}
        case {"type": "Polygon", "coordinates": rings}:
            parts = _cut(_polygons([rings]))
            if len(parts) == 1:
                return {"type": "Polygon", "coordinates": parts[0]}
            return {"type": "MultiPolygon", "coordinates": parts}
        case {"type": "MultiPolygon", "coordinates": polygons}:
            return {"type": "MultiPolygon", "coordinates": _cut(_polygons(polygons))}
        case _:
            raise ValueError("it is no Point, MultiPoint, Polygon or MultiPolygon with coordinates")


def problem_of(value: object) -> str | None:
    """Returns why a geometry is invalid; None if it is valid or missing."""
    if value is None:
        return None
    try:
        read_geometry(value)
    except ValueError as error:
        return str(error)
    return None


def _cut(polygons: Iterable[Polygon]) -> list[Polygon]:
    cut_polygons = [cut(polygon) for polygon in polygons]
    parts = [part for found in cut_polygons for part in found]
    if len(cut_polygons) > 1 and do_cross(ring for part in parts for ring in part):
        raise ValueError(RINGS_CROSS)
    return parts


def _polygons(value: object) -> list[Polygon]:
    """Returns the polygons; they are counted first."""
    polygons = [[_list(ring) for ring in _list(polygon)] for polygon in _list(value)]
    rings = [ring for polygon in polygons for ring in polygon]
    if not polygons or not all(polygons):
        raise ValueError("a polygon has no ring")
    if len(rings) > _MAX_RINGS:
        raise ValueError(f"it has more than {_MAX_RINGS} rings")
    _check_count(sum(map(len, rings)))
    return [[_ring(ring) for ring in polygon] for polygon in polygons]


def _ring(value: Sequence[object]) -> Ring:
    return [_position(position) for position in value]


def _points(value: object) -> list[Position]:
    points = _list(value)
    if not points:
        raise ValueError("it has no position")
    _check_count(len(points))
    return [_position(point) for point in points]


def _check_count(positions: int) -> None:
    if positions > _MAX_POSITIONS:
        raise ValueError(f"it has more than {_MAX_POSITIONS} positions")


def _position(value: object) -> Position:
    """Returns the position without its height."""
    match value:
        case [lon, lat] | [lon, lat, _] if _within(lon, _MAX_LONGITUDE) and _within(lat, _MAX_LATITUDE):
            return [float(lon) + 0.0, float(lat) + 0.0]  # no -0.0
        case _:
            raise ValueError("a position is not [longitude, latitude] in degrees")


def _within(value: object, most: int) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most


def _list(value: object) -> list[object] | tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("its coordinates are not nested as its type requires")  # noqa: TRY004 - the caller handles only this one
    return value
