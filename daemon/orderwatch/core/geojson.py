"""Orders on a map: GeoJSON Features of their targets and of the footprints of their scenes, in degrees."""

from collections.abc import Iterable, Mapping

from orderwatch.core.drawable import drawable
from orderwatch.core.model import Delivery, Order
from orderwatch.core.sidecar import zulu

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
