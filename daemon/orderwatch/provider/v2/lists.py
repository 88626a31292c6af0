"""Reads the rows of captures and deliverables: of one order, or of the whole contract at once."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple
from urllib.parse import quote

from orderwatch.errors import AnswerError, MissingError, ProviderError
from orderwatch.provider.client import ORDERS, ForbiddenReplyError, HttpClient
from orderwatch.provider.page_limits import REMEMBER_SECONDS
from orderwatch.provider.pagination import ListForm, Page, pages, rows
from orderwatch.provider.transport import NotAllowedError
from orderwatch.provider.v2.rows import order_of

_ENVELOPES = ("features", "results", "items", "orders", "captures", "deliverables", "events")
WHOLE_LIST = ListForm(_ENVELOPES, page_rows=500, max_empty_pages=3)
PART_LIST = WHOLE_LIST._replace(asks_page=False)
NOT_OFFERED = (MissingError, ForbiddenReplyError, NotAllowedError)

_MAX_PAGES = 100  # of captures and of deliverables of a contract
_FRESH_SECONDS = 600.0
_CAPTURES, _DELIVERABLES = "/v2/captures/", "/v2/deliverables/"


def order_path(order_id: str, part: str = "") -> str:
    return f"/v2/orders/{quote(order_id, safe='')}{part}"


class CaptureRows(NamedTuple):
    """The rows of one order. With `trouble` its captures are incomplete."""

    captures: Sequence[object]
    deliverables: Sequence[object]
    trouble: ProviderError | None = None


class OrderLists:
    """Reads the lists of one order."""

    def __init__(self, http: HttpClient, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._monotonic = monotonic
        self._no_captures_until = 0.0

    async def read(self, order_id: str) -> CaptureRows:
        """Read both lists; one that the provider does not offer is empty. Raises `ProviderError`.

        Deliverables decide what is published, so a failure of the captures alone is only reported.
        """
        captures, trouble = await self._captures(order_id)
        try:
            deliverables = await self._rows(order_id, "/deliverables")
        except NOT_OFFERED:
            if trouble is not None:
                raise trouble from None
            return CaptureRows(captures, ())
        if isinstance(trouble, ForbiddenReplyError | NotAllowedError):  # not because of this order
            self._no_captures_until = self._monotonic() + REMEMBER_SECONDS
        return CaptureRows(captures, deliverables, None if isinstance(trouble, NOT_OFFERED) else trouble)

    async def _captures(self, order_id: str) -> tuple[Sequence[object], ProviderError | None]:
        if self._monotonic() < self._no_captures_until:
            return (), None
        try:
            return await self._rows(order_id, "/captures"), None
        except ProviderError as error:
            return (), error

    async def _rows(self, order_id: str, part: str) -> Sequence[object]:
        path = order_path(order_id, part)
        return [raw async for _, raw in rows(self._http, ORDERS, path, form=PART_LIST)]


class _OwnLists(NamedTuple):
    """The numbers of rows in the lists of one order, remembered `until` (monotonic seconds)."""

    until: float
    captures: int
    deliverables: int

    def are_in(self, found: CaptureRows) -> bool:
        return len(found.captures) >= self.captures and len(found.deliverables) >= self.deliverables


class ContractLists:
    """Holds the rows of many orders, read with few requests; each order's rows are given out once.

    The lists may leave out rows. So they count for an order only if its own lists were read within
    `REMEMBER_SECONDS`, and had no more rows.
    """

    def __init__(self, http: HttpClient, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._monotonic = monotonic
        self._held: dict[str, CaptureRows] = {}
        self._fresh_until = 0.0
        self._unusable_until = 0.0
        self._pages = {_CAPTURES: 1, _DELIVERABLES: 1}  # of each list, an estimate
        self._own: dict[str, _OwnLists] = {}

    async def expect(self, order_ids: Collection[str]) -> None:
        """Read the lists if that costs fewer requests than those of each order."""
        self._held = {}
        now = self._monotonic()
        if now < self._unusable_until:
            return
        self._own = {key: own for key, own in self._own.items() if now < own.until}
        wanted = self._own.keys() & set(order_ids)
        try:
            captures = await self._read(_CAPTURES, wanted)
            deliverables = None if captures is None else await self._read(_DELIVERABLES, wanted)
        except (*NOT_OFFERED, AnswerError):
            self._unusable_until = self._monotonic() + REMEMBER_SECONDS
        except ProviderError:
            return  # the requests for each order will fail likewise, or succeed
        else:
            if captures is None or deliverables is None:
                return
            self._fresh_until = self._monotonic() + _FRESH_SECONDS
            found = {key: CaptureRows(captures.get(key, ()), deliverables.get(key, ())) for key in wanted}
            self._held = {key: rows_ for key, rows_ in found.items() if self._own[key].are_in(rows_)}

    def take(self, order_id: str) -> CaptureRows | None:
        """Return the rows of an order, None if its own lists have to be read."""
        held = self._held.pop(order_id, None)
        return held if self._monotonic() < self._fresh_until else None

    def on_read(self, order_id: str, found: CaptureRows) -> None:
        """Remember how many rows the order's own lists have."""
        if found.trouble is not None:
            return
        until = self._monotonic() + REMEMBER_SECONDS
        self._own[order_id] = _OwnLists(until, len(found.captures), len(found.deliverables))

    async def _read(self, path: str, wanted: Collection[str]) -> dict[str, list[object]] | None:
        """Return the rows of each wanted order, None if the list is too long to be worth it."""
        found: dict[str, list[object]] = {}
        read = 0
        if not self._is_worth_it(wanted):
            return None
        async for page in pages(self._http, ORDERS, path, form=WHOLE_LIST):
            read += 1
            for raw in page.rows:
                order_id = order_of(raw)
                if order_id is None:
                    raise AnswerError(f"orders: GET {path}: a row names no order")
                if order_id in wanted:
                    found.setdefault(order_id, []).append(raw)
            self._pages[path] = _estimate_pages(page, read)
            if not self._is_worth_it(wanted):
                return None
        self._pages[path] = max(1, read)
        return found

    def _is_worth_it(self, wanted: Collection[str]) -> bool:
        return sum(self._pages.values()) < min(len(wanted), _MAX_PAGES)


def _estimate_pages(page: Page, read: int) -> int:
    if page.total is None or not page.rows:
        return read
    return max(read, -(-page.total // len(page.rows)))
