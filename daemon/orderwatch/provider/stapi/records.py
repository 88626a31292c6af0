"""Reads an order together with the history of its statuses."""

from collections.abc import Callable, Sequence
from urllib.parse import quote

from orderwatch.errors import AnswerError, MissingError, ProviderError
from orderwatch.provider.client import STAPI, HttpClient
from orderwatch.provider.page_limits import REMEMBER_SECONDS
from orderwatch.provider.pagination import ListForm, rows
from orderwatch.provider.schemas import RowSource, SchemaReader
from orderwatch.provider.stapi.rows import OrderRecord, OrderRow, StatusRow, newest_first

ORDER_LIST = ListForm(("features", "orders"), by_offset=False, max_empty_pages=3)
_STATUSES = ListForm(("statuses",), by_offset=False)
_SHARED_SECONDS = 30.0  # one answer serves the order, its capture and its files in one poll


class OrderRecords:
    """Reads the orders of one account. `monotonic` is a clock in seconds."""

    def __init__(self, http: HttpClient, reader: SchemaReader, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._reader = reader
        self._monotonic = monotonic
        self._recent: dict[str, tuple[float, OrderRecord]] = {}  # by order, with its time
        self._has_history = False  # some order has shown its own
        self._no_history_until = float("-inf")

    async def shared(self, order_id: str) -> OrderRecord:
        """Return the order as it was read moments ago, or else read it."""
        now = self._monotonic()
        self._recent = {key: read for key, read in self._recent.items() if now < read[0] + _SHARED_SECONDS}
        return self._recent[order_id][1] if order_id in self._recent else await self.read(order_id)

    async def read(self, order_id: str) -> OrderRecord:
        path = f"/orders/{quote(order_id, safe='')}"
        name = f"{STAPI.name}: GET {path}"
        raw = (await self._http.request(STAPI, self._http.url(STAPI, path), name)).json()
        row = self._reader.read(OrderRow, raw, RowSource(f"order {order_id}"))
        if row is None or not isinstance(raw, dict) or row.id != order_id:
            raise AnswerError(f"{name}: the response is not this order")
        record = OrderRecord(raw, row, newest_first(row.properties.status, await self._history(row.id, path)))
        self._recent[order_id] = self._monotonic(), record
        return record

    def listed(self, raw: object, position: int) -> OrderRecord | None:
        """Return the order of a row of the list, without its history; None if it cannot be read."""
        row = self._reader.read(OrderRow, raw, RowSource("orders", position))
        if row is None or not isinstance(raw, dict):
            return None
        self._recent.pop(row.id, None)  # it may have changed since
        return OrderRecord(raw, row, [row.properties.status])

    async def _history(self, order_id: str, path: str) -> Sequence[StatusRow]:
        """Return the statuses; none if the provider does not offer them.

        Servers without a history may link to it and answer 500. So an error counts only if the history of an
        order was read before.
        """
        if self._monotonic() < self._no_history_until:
            return ()
        list_name = f"statuses of order {order_id}"
        try:
            found = [
                self._reader.read(StatusRow, raw, RowSource(list_name, position))
                async for position, raw in rows(self._http, STAPI, f"{path}/statuses", form=_STATUSES)
            ]
        except MissingError:  # the order itself was found
            return ()
        except ProviderError:
            if self._has_history:
                raise
            self._no_history_until = self._monotonic() + REMEMBER_SECONDS
            return ()
        self._has_history = True
        return [status for status in found if status is not None]
