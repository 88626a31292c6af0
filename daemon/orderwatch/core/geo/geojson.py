"""Makes GeoJSON features of orders for maps."""

from collections.abc import Iterable, Mapping

from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.geo.bbox import bbox
from orderwatch.core.geo.geometry import drawable
from orderwatch.core.model import Delivery, Order

Feature = dict[str, object]


def collection(orders: Iterable[Order]) -> dict[str, object]:
    """Returns a FeatureCollection of the targets and footprints of these orders."""
    return {"type": "FeatureCollection", "features": [one for order in orders for one in features(order)]}


def features(order: Order) -> list[Feature]:
    """Returns the target of an order, and the latest footprint of each scene, if they are valid."""
    scenes: dict[tuple[str, str], list[Delivery]] = {}
    for delivery in order.deliveries:
        scenes.setdefault((delivery.capture_id, delivery.scene_id), []).append(delivery)
    drawn = [_feature(order, "target", order.document.get("target"), {})]
    drawn += [_footprint(order, *scene, files) for scene, files in scenes.items()]
    return [one for one in drawn if one is not None]


def _footprint(order: Order, capture_id: str, scene_id: str, files: Iterable[Delivery]) -> Feature | None:
    """Returns the footprint of a scene, with the states of its deliveries."""
    capture = order.capture(capture_id)
    newest = _newest(files)
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
        "order_id": order.order_id,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "status": order.status.word or None,
        "state": order.state,
        **more,
    }
    return {"type": "Feature", "bbox": list(bbox(drawn)), "geometry": drawn, "properties": properties}


def _newest(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Returns the newest delivery of each attachment."""
    found: dict[str, Delivery] = {}
    for delivery in deliveries:
        other = found.get(delivery.attachment)
        if other is None or other.version < delivery.version:
            found[delivery.attachment] = delivery
    return list(found.values())
