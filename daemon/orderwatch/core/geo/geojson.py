"""Reads GeoJSON geometries, and makes features of orders for maps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeGuard

from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.model import Delivery, Order

Geometry = dict[str, object]
Position = list[float]  # longitude, latitude in degrees

_MAX_POSITIONS = 10_000
_MAX_RINGS = 1_000
_MIN_RING_POSITIONS = 4  # the last is the first again
_MAX_LONGITUDE, _MAX_LATITUDE = 360, 90  # longitudes exceed 180 across the antimeridian


def drawable(value: object) -> Geometry | None:
    """Returns a Point, MultiPoint, Polygon or MultiPolygon without heights and other members, or None."""
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
    """Yields the positions of a valid geometry."""
    yield from _within_lists(geometry["coordinates"])


def _within_lists(value: object) -> Iterator[Position]:
    match value:
        case [float() | int() as east, float() | int() as north]:
            yield [east, north]
        case list():
            for part in value:
                yield from _within_lists(part)


def _polygons(value: object) -> list[list[list[Position]]]:
    """Returns the polygons; `ValueError` if they are invalid or too many, counted first."""
    polygons = [[_list(ring) for ring in _list(polygon)] for polygon in _list(value)]
    rings = [ring for polygon in polygons for ring in polygon]
    if not polygons or not all(polygons) or len(rings) > _MAX_RINGS:
        raise ValueError
    if sum(map(len, rings)) > _MAX_POSITIONS:
        raise ValueError
    return [[_ring(ring) for ring in polygon] for polygon in polygons]


def _ring(value: Sequence[object]) -> list[Position]:
    ring = [_position(position) for position in value]
    if len(ring) < _MIN_RING_POSITIONS or ring[0] != ring[-1]:
        raise ValueError
    return ring


def _points(value: object) -> list[Position]:
    points = _list(value)
    if not 0 < len(points) <= _MAX_POSITIONS:
        raise ValueError
    return [_position(point) for point in points]


def _position(value: object) -> Position:
    """Returns the position without its height."""
    match value:
        case [lon, lat] | [lon, lat, _] if _within(lon, _MAX_LONGITUDE) and _within(lat, _MAX_LATITUDE):
            return [float(lon), float(lat)]
        case _:
            raise ValueError


def _within(value: object, most: int) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -most <= value <= most


def _list(value: object) -> list[object] | tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError  # noqa: TRY004 - the caller handles only this one
    return value


_READERS: dict[str, Callable[[object], object]] = {
    "Point": _position,
    "MultiPoint": _points,
    "Polygon": lambda value: _polygons([value])[0],
    "MultiPolygon": _polygons,
}


Bbox = tuple[float, float, float, float]  # west, south, east, north in degrees; west > east across 180°

_HALF_TURN, _FULL_TURN = 180, 360  # degrees
WORLD: Bbox = (-180.0, -90.0, 180.0, 90.0)


def bbox(geometry: Mapping[str, object]) -> Bbox:
    """Returns the smallest box around a valid geometry."""
    longitudes, latitudes = zip(*positions(geometry), strict=True)
    west, east = _span(longitudes)
    return west, min(latitudes), east, max(latitudes)


def around(boxes: Iterable[Bbox]) -> Bbox:
    """Returns a box around all boxes, the world for none."""
    found = list(boxes)
    if not found:
        return WORLD
    west, south, east, north = zip(*found, strict=True)
    if any(box[0] > box[2] for box in found):
        return WORLD[0], min(south), WORLD[2], max(north)
    return min(west), min(south), max(east), max(north)


def _span(longitudes: Sequence[float]) -> tuple[float, float]:
    """Returns west and east; a span over half the globe crosses 180°, and begins after the widest gap."""
    west, east = min(longitudes), max(longitudes)
    if west >= -_HALF_TURN and east <= _HALF_TURN and east - west <= _HALF_TURN:
        return west, east
    ordered = sorted({_on_the_globe(lon) for lon in longitudes})
    following = [*ordered[1:], ordered[0] + _FULL_TURN]
    widest = max(range(len(ordered)), key=lambda i: following[i] - ordered[i])
    west, east = ordered[(widest + 1) % len(ordered)], ordered[widest]
    return west, float(_HALF_TURN) if east == -_HALF_TURN else east


def _on_the_globe(lon: float) -> float:
    return lon if -_HALF_TURN <= lon < _HALF_TURN else (lon + _HALF_TURN) % _FULL_TURN - _HALF_TURN


Feature = dict[str, object]


def collection(orders: Iterable[Order]) -> dict[str, object]:
    """Returns a FeatureCollection of the targets and footprints of these orders."""
    return {"type": "FeatureCollection", "features": [one for order in orders for one in features(order)]}


def features(order: Order) -> list[Feature]:
    """Returns the target of an order, and the latest footprint of each scene, if they are valid."""
    scenes = dict.fromkeys((d.capture_id, d.scene_id) for d in order.deliveries)
    drawn = [_feature(order, "target", order.document.get("target"), {})]
    drawn += [_footprint(order, *scene) for scene in scenes]
    return [one for one in drawn if one is not None]


def _footprint(order: Order, capture_id: str, scene_id: str) -> Feature | None:
    """Returns the footprint of a scene, with the states of its deliveries."""
    capture = order.capture(capture_id)
    newest = _newest(d for d in order.deliveries_of(capture_id) if d.scene_id == scene_id)
    latest = max(newest, key=lambda d: d.version)
    scene, states = latest.scene, dict.fromkeys(d.state for d in newest)
    taken = scene.timestamp or (capture.start if capture else None)
    facts = {
        "capture_id": capture_id,
        "scene_id": scene_id,
        "satellite_name": scene.satellite_name or (capture.satellite_name if capture else None),
        "datetime": zulu(taken) if taken else None,
        "version": latest.version,
        "deliveries": ", ".join(states),
        "stored": all(state.settled for state in states),
    }
    return _feature(order, "footprint", scene.footprint, facts)


def _feature(order: Order, kind: str, geometry: object, more: Mapping[str, object]) -> Feature | None:
    drawn = drawable(geometry)
    if drawn is None:
        return None
    properties = {
        "kind": kind,
        "account": order.account,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.status.word or None,
        "state": order.state,
        **more,
    }
    return {"type": "Feature", "geometry": drawn, "properties": properties}


def _newest(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Returns the newest delivery of each attachment."""
    found: dict[str, Delivery] = {}
    for delivery in deliveries:
        other = found.get(delivery.attachment)
        if other is None or other.version < delivery.version:
            found[delivery.attachment] = delivery
    return list(found.values())
