"""Orders on a map: GeoJSON Features of their targets and of the footprints of their scenes, in degrees."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from orderwatch.core.model import Delivery, Order
from orderwatch.core.sidecar import zulu

_MOST_POSITIONS = 10_000
_MOST_RINGS = 1_000
_FEWEST = 4  # positions of a ring, which ends where it begins
_EAST, _NORTH = 180, 90  # degrees

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


def geometry(value: object) -> dict[str, object] | None:
    """A Point, Polygon or MultiPolygon without heights and with nothing else inside, or None."""
    if not isinstance(value, Mapping):
        return None
    kind, coordinates = value.get("type"), value.get("coordinates")
    try:
        match kind:
            case "Point":
                return {"type": kind, "coordinates": _position(coordinates)}
            case "Polygon":
                return {"type": kind, "coordinates": _polygons([coordinates])[0]}
            case "MultiPolygon":
                return {"type": kind, "coordinates": _polygons(coordinates)}
            case _:
                return None
    except ValueError:
        return None


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
    drawn = geometry(shape)
    if drawn is None:
        return None
    properties = {
        "kind": kind,
        "account": order.account,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.standing.word or None,
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


def _polygons(value: object) -> list[list[list[list[float]]]]:
    """Counted before they are walked; `ValueError` where they are too many, or no polygons."""
    polygons = [[_list(ring) for ring in _list(polygon)] for polygon in _list(value)]
    rings = [ring for polygon in polygons for ring in polygon]
    if not polygons or not all(polygons) or len(rings) > _MOST_RINGS:
        raise ValueError
    if sum(map(len, rings)) > _MOST_POSITIONS:
        raise ValueError
    return [[_ring(ring) for ring in polygon] for polygon in polygons]


def _ring(value: Sequence[object]) -> list[list[float]]:
    ring = [_position(position) for position in value]
    if len(ring) < _FEWEST or ring[0] != ring[-1]:
        raise ValueError
    return ring


def _position(value: object) -> list[float]:
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
