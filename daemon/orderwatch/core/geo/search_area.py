"""Computes the area in which an archive is searched for the scenes of an order."""

import math

from orderwatch.core.geo.bbox import bbox
from orderwatch.core.geo.geometry import Geometry, drawable

_MARGIN_DEGREES = 0.2  # of latitude, 22 km: a scene of a target may lie beside it
_MAX_LATITUDE, _HALF_TURN, _FULL_TURN = 90.0, 180.0, 360.0

_Ring = list[list[float]]


def search_area(target: object) -> Geometry | None:
    """Returns the box around a GeoJSON geometry with a margin, None for an invalid geometry.

    It is a Polygon, or a MultiPolygon of two boxes across the antimeridian.
    """
    geometry = drawable(target)
    if geometry is None:
        return None
    west, south, east, north = bbox(geometry)
    south, north = max(-_MAX_LATITUDE, south - _MARGIN_DEGREES), min(_MAX_LATITUDE, north + _MARGIN_DEGREES)
    width = east - west if west <= east else east - west + _FULL_TURN
    margin = _margin(max(abs(south), abs(north)))
    boxes = [_box(lon, south, end, north) for lon, end in _span(west - margin, width + 2 * margin)]
    if len(boxes) == 1:
        return {"type": "Polygon", "coordinates": boxes[0]}
    return {"type": "MultiPolygon", "coordinates": boxes}


def _margin(latitude: float) -> float:
    """Returns the margin in degrees of longitude, which spans the same distance."""
    shrinking = math.cos(math.radians(latitude))
    return min(_HALF_TURN, _MARGIN_DEGREES / shrinking) if shrinking > 0 else _HALF_TURN


def _span(west: float, width: float) -> list[tuple[float, float]]:
    """Returns the longitudes within -180 and 180, in two parts across the antimeridian."""
    if width >= _FULL_TURN:
        return [(-_HALF_TURN, _HALF_TURN)]
    west = (west + _HALF_TURN) % _FULL_TURN - _HALF_TURN
    east = west + width
    if east <= _HALF_TURN:
        return [(west, east)]
    return [(west, _HALF_TURN), (-_HALF_TURN, east - _FULL_TURN)]


def _box(west: float, south: float, east: float, north: float) -> list[_Ring]:
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]
