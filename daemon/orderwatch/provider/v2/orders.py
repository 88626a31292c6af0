"""Reads an order of the v2 API together with its events."""

from collections.abc import Iterable

from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.provider.geojson import order_document
from orderwatch.provider.schemas import RowSource, SchemaReader
from orderwatch.provider.v2.events import OrderEvents, phase_of, reason_of
from orderwatch.provider.v2.rows import EventRow, OrderRow, flat

_WRAPPERS = ("feature", "order")  # of the answer to a new order


class OrderReader:
    """Turns rows into snapshots; remembers the events that were read."""

    def __init__(self, reader: SchemaReader) -> None:
        self._reader = reader
        self._events = OrderEvents()

    def read(self, raw: object, source: RowSource, events: Iterable[object] = ()) -> OrderSnapshot | None:
        """Return the order of a row and of its events; None if it cannot be read."""
        row = self._reader.read(OrderRow, flat(raw), source)
        if row is None:
            return None
        list_name = f"events of order {row.order_id}"
        found = [
            self._reader.read(EventRow, flat(event), RowSource(list_name, position))
            for position, event in enumerate([*events, row.latest_event], 1)
        ]
        known = self._events.add(row.order_id, filter(None, found))
        return OrderSnapshot(
            order_id=row.order_id,
            task_id=row.parameters.task_id,
            status=row.status,
            phase=phase_of(row.status, known),
            task_name=row.order_name,
            project_name=row.project_name,
            product=row.sku,
            placed_at=row.created_at,
            start=row.parameters.start,
            end=row.parameters.end,
            document=order_document(raw, row.geometry),
            reason=reason_of(known, row.status_report),
        )


def unwrapped(raw: object) -> object:
    """Return the order inside an answer such as `{"feature": {…}}`."""
    if isinstance(raw, dict) and "order_id" not in flat(raw):
        return next((raw[key] for key in _WRAPPERS if isinstance(raw.get(key), dict)), raw)
    return raw
