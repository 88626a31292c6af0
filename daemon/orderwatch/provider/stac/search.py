"""Finds the items of a capture: by outcome id, or by place and time if the archive refuses that filter."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

import structlog
from yarl import URL

from orderwatch.core.geo.search_area import search_area
from orderwatch.core.model import Capture, Order
from orderwatch.core.orders.outcome_id import is_same_outcome, spellings
from orderwatch.errors import AnswerError
from orderwatch.provider.client import ARCHIVE, FOREIGN_ARCHIVE, ForbiddenReplyError, HttpClient
from orderwatch.provider.stac.pagination import NAME, Body, search_pages
from orderwatch.provider.transport import (
    FailedReplyError,
    InvalidRequestError,
    TimeoutReplyError,
    UnsupportedError,
)

REMEMBER_SECONDS = 6 * 3600.0  # then the filter is tried again
_MARGIN = timedelta(days=1)
_OUTCOME = "satl:outcome_id"

log = structlog.get_logger()


class _IgnoredFilterError(AnswerError):
    """The answer holds items of other captures."""


_REFUSALS = ForbiddenReplyError, InvalidRequestError, UnsupportedError, _IgnoredFilterError
_FAILURES = FailedReplyError, TimeoutReplyError  # an outage, or how a server refuses a filter


class CaptureSearch:
    """Searches of one account. `monotonic` is a clock in seconds."""

    def __init__(self, http: HttpClient, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._monotonic = monotonic
        self._refused_until = float("-inf")
        self._is_proven = False  # the filter has found items of a capture

    async def items(self, order: Order, capture: Capture) -> Sequence[object]:
        """Return the capture's items, and those that do not show their capture. Raises `ProviderError`."""
        if self._monotonic() < self._refused_until:
            return await self._by_place(order, capture)
        try:
            found = await self._by_outcome(capture.capture_id)
        except (*_REFUSALS, *_FAILURES) as error:
            if isinstance(error, _FAILURES) and (self._is_proven or _place_body(order, capture) is None):
                raise
            found = await self._by_place(order, capture)  # raises if account or archive fail as such
            self._remember_refusal(str(error))
            return found
        if self._is_proven or _place_body(order, capture) is None:
            return found
        others = await self._by_place(order, capture)
        if not any(_shows(item, capture.capture_id) for item in others):
            return found
        self._remember_refusal(f"{NAME}: the filter finds nothing")
        return others

    def _remember_refusal(self, reason: str) -> None:
        self._refused_until = self._monotonic() + REMEMBER_SECONDS
        self._is_proven = False
        log.info("archive.filter_refused", account=self._http.credentials.name, reason=reason)

    async def _by_outcome(self, capture_id: str) -> Sequence[object]:
        """Search by each spelling of the id until one finds items; raises if all are refused."""
        refusals: list[InvalidRequestError] = []
        tried = spellings(capture_id)
        for spelling in tried:
            try:
                found = await self._filtered(spelling, capture_id)
            except InvalidRequestError as error:  # perhaps only because it is no UUID
                refusals.append(error)
                continue
            if found:
                return found
        if len(refusals) == len(tried):
            raise refusals[0]
        return ()

    async def _filtered(self, outcome_id: str, capture_id: str) -> Sequence[object]:
        condition = {"op": "=", "args": [{"property": _OUTCOME}, outcome_id]}
        found: list[object] = []
        async for items in self._pages({"filter-lang": "cql2-json", "filter": condition}):
            if any(_shows(item, capture_id) is False for item in items):
                raise _IgnoredFilterError(f"{NAME}: the answer holds other captures")
            self._is_proven = self._is_proven or bool(items)
            found += items
        return found

    async def _by_place(self, order: Order, capture: Capture) -> Sequence[object]:
        body = _place_body(order, capture)
        if body is None:
            raise AnswerError(f"{NAME}: the archive refuses the filter, and the order has no place or time")
        return [
            item
            async for items in self._pages(body)
            for item in items
            if _shows(item, capture.capture_id) is not False
        ]

    def _pages(self, conditions: Body) -> AsyncIterator[list[object]]:
        return search_all(self._http, conditions)


def search_all(http: HttpClient, conditions: Body = MappingProxyType({})) -> AsyncIterator[list[object]]:
    """Yield the items of each page that meet the conditions, of the account's collections."""
    collections, url = list(http.credentials.collections), URL(http.credentials.archive_url)
    body = {"collections": collections, **conditions} if collections else conditions
    return search_pages(http, ARCHIVE if http.is_own(url) else FOREIGN_ARCHIVE, url, body)


def _shows(item: object, capture_id: str) -> bool | None:
    """Return whether the item belongs to the capture; None if it does not show its capture."""
    match item:
        case {"properties": {"satl:outcome_id": str() | int() | float() as outcome_id}}:
            return is_same_outcome(capture_id, str(outcome_id).strip())
        case _:
            return None


def _place_body(order: Order, capture: Capture) -> Body | None:
    """Return the conditions on place and time, None without any."""
    body: dict[str, object] = {}
    if area := search_area(order.document.get("target")):
        body["intersects"] = area
    if period := _period(order, capture):
        body["datetime"] = "/".join(f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in period)
    return body or None


def _period(order: Order, capture: Capture) -> tuple[datetime, datetime] | None:
    """Return a day around the capture, or around the order's window."""
    first, last = (capture.start,) * 2 if capture.start else (order.start, order.end)
    return (first - _MARGIN, last + _MARGIN) if first and last else None
