"""Orders, events, captures and deliverables as documents of v2."""

import uuid
from collections.abc import Sequence

from orderwatch.simulator.assets import links
from orderwatch.simulator.documents import Document, current, zulu
from orderwatch.simulator.orders import Capture, Order
from orderwatch.simulator.state import Simulator
from orderwatch.simulator.v2 import words
from orderwatch.simulator.v2.products import Product
from orderwatch.simulator.v2.settings import Event

_OTHER_NAMES = {"capture_id": "id", "deliverable_id": "id", "status": "state"}
_OTHER_EVENT_NAMES = {"id": "event_id", "type": "event_type"}
_HEIGHT_M = 664.040039062


def order_document(simulator: Simulator, order: Order, at: float, *, is_listed: bool = False) -> Document:
    """Return the feature of a visible order."""
    options = simulator.scenario.v2
    shown = events(order, at)
    contract_id = simulator.scenario.contract_of(order)
    contracts = [c for account in simulator.scenario.accounts for c in account.contracts]
    properties = {
        "order_id": order.order_id,
        "order_name": order.task_name,
        "contract_id": contract_id,
        "contract_name": next(c.name for c in contracts if c.contract_id == contract_id),
        "project_id": f"project.{_uuid(order.project_name)}",
        "project_name": order.project_name,
        "sku": order.sku,
        "product_name": "Standard Tasking" if order.sku.startswith("TSK") else "Archive Image",
        "status": words.order_word(order, options, at, is_listed=is_listed),
        "status_report": order.status_report,
        "latest_event": event_document(simulator, order, shown[-1]) if shown else None,
        "created_at": _naive(simulator, order.created),
        "updated_at": _naive(simulator, words.last_change(order, options, at, is_listed=is_listed)),
        "parameters": _parameters(simulator, order, at),
    }
    return {
        "type": "Feature",
        "geometry": _with_height(order.target),
        "properties": properties,
    }


def events(order: Order, at: float) -> list[Event]:
    """Return the events of an order by then, oldest first."""
    found = words.derived_events(order) if order.events is None else order.events
    return sorted((event for event in found if event.at <= at), key=lambda event: event.at)


def event_document(simulator: Simulator, order: Order, event: Event) -> Document:
    row = {
        "id": event.event_id or f"evt.{_uuid(f'{order.order_id}/{event.at}/{event.type}')}",
        "type": event.type,
        "timestamp": zulu(simulator.world.moment(event.at)).replace("Z", "+00:00"),
        "message": event.message,
    }
    return _renamed(row, _OTHER_EVENT_NAMES) if simulator.scenario.v2.other_names else row


def captures(order: Order, at: float) -> list[Capture]:
    """Return the captures of an order by then."""
    return [c for c in order.captures if current(c.v2_status or c.status, at) is not None]


def capture_document(simulator: Simulator, order: Order, capture: Capture, at: float) -> Document:
    options = simulator.scenario.v2
    row = {
        "capture_id": f"{options.capture_prefix}{capture.capture_id}",
        "order": order.order_id,
        "status": words.capture_word(capture, options, at),
        "satellite_name": capture.satellite_name,
        "start": zulu(simulator.world.moment(capture.taken)),
    }
    return _renamed(row, _OTHER_NAMES) if options.other_names else row


def deliverables(simulator: Simulator, order: Order, at: float) -> list[Product]:
    """Return the deliverables of an order by then."""
    found = simulator.index.products_of[order.order_id]
    return [product for product in found if current(product.status, at) is not None]


def deliverable_document(simulator: Simulator, product: Product, at: float) -> Document:
    options, image = simulator.scenario.v2, product.image(at)
    row = {
        "deliverable_id": product.deliverable_id,
        "order": product.order.order_id,
        "status": words.spelled(current(product.status, at) or "", options),
        "processing_level": product.deliverable.processing_level,
        "assets": {}
        if image is None
        else {
            key: links.asset(simulator, image, key, presigned=False, safe="/:")
            | links.facts(simulator, image, key)
            for key in image.assets
        },
    }
    if options.capture_field:
        row[options.capture_field] = f"{options.capture_prefix}{product.capture.capture_id}"
    return _renamed(row, _OTHER_NAMES) if options.other_names else row


def _parameters(simulator: Simulator, order: Order, at: float) -> Document:
    found: Document = {"processing_level": "L1D_SR"}
    if order.sku.startswith("TSK"):
        window = {"start": order.start, "end": order.end}
        moments = {name: simulator.world.moment(second) for name, second in window.items()}
        found |= {name: zulu(moment.replace(microsecond=0)) for name, moment in moments.items()}
        found |= dict.fromkeys(("min_ona", "max_ona", "min_sun_elevation", "max_sun_elevation"))
    if order.is_task(at):
        found["task_id"] = order.task_id
    return found | order.parameters


def _naive(simulator: Simulator, second: float) -> str:
    """Return a time without its zone, as of `created_at`."""
    return simulator.world.moment(second).replace(tzinfo=None).isoformat(timespec="microseconds")


def _with_height(target: Document) -> Document:
    if target["type"] != "Point":
        return target
    position: Sequence[float] = target["coordinates"]
    return target | {"coordinates": [*position[:2], _HEIGHT_M]}


def _renamed(row: Document, names: dict[str, str]) -> Document:
    return {names.get(name, name): value for name, value in row.items()}


def _uuid(seed: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, seed)
