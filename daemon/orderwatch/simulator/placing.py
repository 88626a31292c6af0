"""Places and cancels orders: each returns a new world."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from orderwatch.simulator.documents import Document, Moves, checked_target, current
from orderwatch.simulator.orders import Capture, Order, Scene, next_order_id
from orderwatch.simulator.scenario import Scenario
from orderwatch.simulator.world import World

_NAMES = ("task_name", "project_name")
_REQUIRED = (*_NAMES, "product", "target", "start", "end")
_PENDING = {"planned", "tasked"}
_OVER = {"completed", "failed", "rejected", "canceled", "expired"}
_NEVER: Moves = ((math.inf, "canceled"),)


def complaints(body: Mapping[str, object], scenario: Scenario, now: datetime) -> dict[str, list[str]]:
    """Return the provider's validation errors by field; empty for a valid order."""
    if missing := [name for name in _REQUIRED if body.get(name) in (None, "")]:
        return {name: ["This field is required."] for name in missing}
    wrong = {name: ["Not a valid string."] for name in _NAMES if not isinstance(body[name], str)}
    wrong |= window_complaints(body["start"], body["end"], now)
    if complaint := _captures_complaint(body.get("max_captures")):
        wrong["max_captures"] = [complaint]
    product = next((product for product in scenario.products if product.pk == body["product"]), None)
    if product is None:
        wrong["product"] = [f'Invalid pk "{body["product"]}" - object does not exist.']
    elif complaint := _target_complaint(body["target"], "Polygon" if product.is_area else "Point"):
        wrong["target"] = [complaint]
    return wrong


def placed(world: World, body: Document, contract: str, at: float) -> tuple[World, Order]:
    """Return the world with one more order, soon completed; `body` must be valid."""
    return with_order(
        world,
        contract,
        at,
        **{name: body[name] for name in ("task_name", "project_name", "product", "target")},
        start=world.seconds(datetime.fromisoformat(body["start"])),
        end=world.seconds(datetime.fromisoformat(body["end"])),
    )


def with_order(world: World, contract: str, at: float, **chosen: Any) -> tuple[World, Order]:  # noqa: ANN401 - fields of an order
    """Return the world with one more order, soon completed."""
    orders = world.scenario.orders
    order = Order(
        task_id=max((order.task_id for order in orders), default=32081) + 1,
        order_id=next_order_id(orders),
        created=at,
        shown=at + world.scenario.listing_lag,
        contract=contract,
        status=((at, "received"), (at + 2, "in_progress"), (at + 12, "completed")),
        captures=(_capture(at),),
        **chosen,
    )
    return _with_orders(world, (*orders, order)), order


def cancelled(world: World, order: Order, at: float) -> tuple[World, Order]:
    """Return the world with an order cancelled: captures already taken are still published."""
    if current(order.status, at) in _OVER:
        return world, order
    captures = tuple(_cancelled_capture(capture, at) for capture in order.captures)
    less = order.model_copy(update={"status": _ending(order.status, at), "captures": captures})
    return replaced(world, less), less


def replaced(world: World, order: Order) -> World:
    """Return the world with an order in place of the one with its ID."""
    orders = (order if other.task_id == order.task_id else other for other in world.scenario.orders)
    return _with_orders(world, orders)


def _capture(at: float) -> Capture:
    words = ("planned", "tasked", "captured", "processing", "published")
    status = tuple((at + 3 + second, word) for second, word in enumerate(words))
    return Capture(satellite_name="newsat22", status=status, scenes=(Scene(),))


def _cancelled_capture(capture: Capture, at: float) -> Capture:
    word = current(capture.status, at)
    if word is None:
        return capture.model_copy(update={"status": _NEVER})
    return capture.model_copy(update={"status": _ending(capture.status, at)}) if word in _PENDING else capture


def _ending(moves: Moves, at: float) -> Moves:
    return (*(move for move in moves if move[0] <= at), (at, "canceled"))


def _with_orders(world: World, orders: Iterable[Order]) -> World:
    return replace(world, scenario=world.scenario.model_copy(update={"orders": tuple(orders)}))


def _captures_complaint(most: object) -> str | None:
    if most is None:
        return None
    if isinstance(most, bool) or not isinstance(most, int):
        return "A valid integer is required."
    return None if most > 0 else "Ensure this value is greater than or equal to 1."


def window_complaints(start: object, end: object, now: datetime) -> dict[str, list[str]]:
    begins, ends = _instant(start), _instant(end)
    if begins is None or ends is None:
        named = {"start": begins, "end": ends}
        return {name: ["Give a date and time with a zone."] for name, at in named.items() if at is None}
    if ends <= begins:
        return {"end": ["The window ends before it begins."]}
    return {} if now < ends else {"end": ["The window is over."]}


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


def _target_complaint(target: object, geometry: str) -> str | None:
    try:
        kind = checked_target(target)["type"]
    except ValueError as error:
        return str(error)
    return None if kind == geometry else f"This product needs a {geometry}."
