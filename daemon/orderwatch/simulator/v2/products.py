"""The products of a capture that are delivered: explicit ones, or one for each scene."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from orderwatch.simulator.assets.grid import squares
from orderwatch.simulator.assets.images import Image
from orderwatch.simulator.documents import Moves, current
from orderwatch.simulator.orders import Capture, Order, exact_stamp
from orderwatch.simulator.v2.settings import Deliverable
from orderwatch.simulator.v2.words import is_delivered

_SQUARE_KM = 4


@dataclass(frozen=True, slots=True)
class Product:
    """A deliverable with its IDs and status; its image exists once it is delivered."""

    order: Order
    capture: Capture
    deliverable: Deliverable
    deliverable_id: str
    scene_id: str
    status: Moves

    def image(self, at: float) -> Image | None:
        """Return its image at a moment; None before it is delivered."""
        if not is_delivered(current(self.status, at)):
            return None
        delivered = next(second for second, word in self.status if is_delivered(word))
        remade = [second for second in self.deliverable.remade if delivered < second <= at]
        (square,) = squares(self.order.target, 1, _SQUARE_KM)
        run = 1 + len(remade)
        return Image(
            image_id=self.scene_id,
            path=f"/deliverables/{self.scene_id}",
            folder=f"DELIVERIES/{self.order.order_id}/{self.deliverable_id}/run_{run}",
            run=run,
            modified=max((delivered, *remade)),
            assets=self.deliverable.assets,
            pixels=self.deliverable.pixels,
            square=square,
            zip_size=self.deliverable.size,
            capture_id=self.capture.capture_id,
        )


def products(order: Order, capture: Capture) -> Iterator[Product]:
    """Yield the deliverables of a capture, shown or not."""
    place = order.captures.index(capture)
    for number, deliverable in enumerate(_deliverables(capture)):
        status = deliverable.status or _status(capture, 0.0)
        if status is None:
            continue
        seed = f"{order.task_id}/{place}/{number}"
        scene = f"{exact_stamp(capture, order.task_id, place, number)}_{deliverable.processing_level}"
        yield Product(
            order=order,
            capture=capture,
            deliverable=deliverable,
            deliverable_id=deliverable.deliverable_id or f"deliv.{uuid.uuid5(uuid.NAMESPACE_OID, seed)}",
            scene_id=deliverable.scene_id or f"{scene}_MS_{order.task_id}",
            status=status,
        )


def _deliverables(capture: Capture) -> tuple[Deliverable, ...]:
    if capture.deliverables is not None:
        return capture.deliverables
    return tuple(
        Deliverable(status=_status(capture, scene.appears), remade=scene.republished, size=scene.size)
        for scene in capture.scenes
    )


def _status(capture: Capture, lag: float) -> Moves | None:
    """Return the status of a product that is delivered some seconds after the capture's publication."""
    if capture.published is None:
        return None
    delivered = capture.published + lag
    return ((min(capture.taken, delivered), "processing"), (delivered, "DELIVERED"))
