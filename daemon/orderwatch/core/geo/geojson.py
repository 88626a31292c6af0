"""What somebody says of a place: a GeoJSON geometry that can be drawn, or none."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeGuard

from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.model import Delivery, Order

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


Bbox = tuple[float, float, float, float]  # west, south, east, north in degrees; west > east across 180°

_HALF, _WHOLE = 180, 360  # degrees
WORLD: Bbox = (-180.0, -90.0, 180.0, 90.0)


def bbox(geometry: Mapping[str, object]) -> Bbox:
    """The smallest box around a sound geometry."""
    longitudes, latitudes = zip(*positions(geometry), strict=True)
    west, east = _span(longitudes)
    return west, min(latitudes), east, max(latitudes)


def around(boxes: Iterable[Bbox]) -> Bbox:
    """A box that holds them all; the world where there are none."""
    found = list(boxes)
    if not found:
        return WORLD
    west, south, east, north = zip(*found, strict=True)
    if any(box[0] > box[2] for box in found):
        return WORLD[0], min(south), WORLD[2], max(north)
    return min(west), min(south), max(east), max(north)


def _span(longitudes: Sequence[float]) -> tuple[float, float]:
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


Feature = dict[str, object]


def collection(orders: Iterable[Order]) -> dict[str, object]:
    """A FeatureCollection of everything that can be drawn of these orders."""
    return {"type": "FeatureCollection", "features": [one for order in orders for one in features(order)]}


def features(order: Order) -> list[Feature]:
    """Its target, and a footprint per scene as its newest version has it; what is no geometry is left out."""
    scenes = dict.fromkeys((d.capture_id, d.scene_id) for d in order.deliveries)
    drawn = [_feature(order, "target", order.document.get("target"), {})]
    drawn += [_footprint(order, *scene) for scene in scenes]
    return [one for one in drawn if one is not None]


def _footprint(order: Order, capture_id: str, scene_id: str) -> Feature | None:
    """With the states of the scene's deliveries, each once, and whether all of them are stored."""
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


def _feature(order: Order, kind: str, shape: object, more: Mapping[str, object]) -> Feature | None:
    drawn = drawable(shape)
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
    """Of each attachment."""
    found: dict[str, Delivery] = {}
    for delivery in deliveries:
        other = found.get(delivery.attachment)
        if other is None or other.version < delivery.version:
            found[delivery.attachment] = delivery
    return list(found.values())
