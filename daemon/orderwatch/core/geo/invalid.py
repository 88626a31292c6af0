"""Finds geometries of the provider that are on no map and in no catalog."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from orderwatch.core.geo.geometry import problem_of
from orderwatch.core.model import Delivery, Order


class InvalidGeometry(NamedTuple):
    """`kind` is a target or a footprint; a target belongs to no capture."""

    kind: str
    reason: str
    capture_id: str | None = None
    scene_id: str | None = None


def new_invalid(known: Order | None, order: Order, queued: Iterable[Delivery]) -> Iterator[InvalidGeometry]:
    """Yields the invalid target, and the invalid footprints of queued deliveries, unless known before."""
    target = order.document.get("target")
    is_new = known is None or known.document.get("target") != target
    if is_new and (reason := problem_of(target)):
        yield InvalidGeometry("target", reason)
    before = _footprints(known.deliveries if known else ())
    for scene, footprint in _footprints(queued).items():
        if before.get(scene) != footprint and (reason := problem_of(footprint)):
            yield InvalidGeometry("footprint", reason, *scene)


def _footprints(deliveries: Iterable[Delivery]) -> dict[tuple[str, str], Mapping[str, object] | None]:
    """Returns the footprints by capture and scene."""
    return {(delivery.capture_id, delivery.scene_id): delivery.scene.footprint for delivery in deliveries}
