"""Creates orders and requests their cancellation in v2: each returns a new world."""

from collections.abc import Mapping
from datetime import datetime

from orderwatch.simulator import placing as v1
from orderwatch.simulator.documents import Document, checked_target, current
from orderwatch.simulator.orders import Order
from orderwatch.simulator.v2 import words
from orderwatch.simulator.v2.settings import Event
from orderwatch.simulator.world import World

_POINTS = ("TSKPOI", "TSKRSH", "TSKRRD")
_AREAS = ("TSKARE", "ARCIMG", "ARCLGD")
_CANCELED = "canceled"


def errors(body: Mapping[str, object], now: datetime) -> list[str]:
    """Return what is wrong with a feature; empty for a valid order."""
    match body:
        case {"type": "Feature", "geometry": geometry, "properties": dict(properties)}:
            pass
        case _:
            return ["send one Feature"]
    match properties:
        case {"order_name": str(), "sku": str(sku), "parameters": dict(parameters)}:
            pass
        case _:
            return ["properties need an order_name, a sku and parameters"]
    found = []
    kind = "Point" if sku.startswith(_POINTS) else "Polygon" if sku.startswith(_AREAS) else None
    try:
        if kind != checked_target(geometry)["type"]:
            found.append(f"sku {sku} needs a {kind}" if kind else f"sku {sku} is unknown")
    except ValueError as error:
        found.append(str(error))
    if sku.startswith("TSK"):
        wrong = v1.window_complaints(parameters.get("start"), parameters.get("end"), now)
        found += [f"parameters.{name}: {text}" for name, texts in wrong.items() for text in texts]
    return found


def placed(world: World, body: Document, contract: str, at: float) -> tuple[World, Order]:
    """Return the world with one more order, soon closed; `body` must be valid."""
    properties = body["properties"]
    parameters = dict(properties["parameters"])
    is_area = body["geometry"]["type"] == "Polygon"
    window = {name: parameters.pop(name) for name in ("start", "end") if name in parameters}
    return v1.with_order(
        world,
        contract,
        at,
        task_name=properties["order_name"],
        project_name=properties.get("project_name") or "",
        sku=properties["sku"],
        target=body["geometry"],
        product=next(p.pk for p in world.scenario.products if p.is_area == is_area),
        task_appears=at + world.scenario.v2.task_after,
        parameters=parameters,
        **{name: world.seconds(datetime.fromisoformat(text)) for name, text in window.items()},
    )


def requested_cancellation(world: World, order: Order, at: float) -> World:
    """Return the world with the event of the request, and later that of the decision."""
    options = world.scenario.v2
    decided = at + options.cancel_after
    events = list(words.derived_events(order) if order.events is None else order.events)
    events.append(Event(at=at, type="OrderCancellationRequested"))
    if options.cancel == "accepted":
        world, order = v1.cancelled(world, order, decided)
    is_canceled = current(order.status, decided) == _CANCELED
    verdict = "OrderCancellationAccepted" if is_canceled else "OrderCancellationRefused"
    events.append(Event(at=decided, type=verdict))
    return v1.replaced(world, order.model_copy(update={"events": tuple(events)}))
