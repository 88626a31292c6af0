"""The rows of the table of orders: the row of an unchanged order is kept for some seconds."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.core.model import Order
from orderwatch.core.orders.publication_lag import Lags
from orderwatch.ports import Detail, Store
from orderwatch.ports.queries import FoundRows, Sort
from orderwatch.web.pages.template_filters import templates

_MAX_AGE = timedelta(seconds=10)  # of relative times
_MAX_ROWS = 500

Names = tuple[str | None, str]  # account and id of an order


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What the rows show beside the orders; `extra` are the optional columns."""

    now: datetime
    concerns: Mapping[Names, Sequence[Concern]]
    lags: Lags
    extra: tuple[Sort, ...]

    def reasons(self, names: Names) -> tuple[Reason, ...]:
        return tuple(concern.reason for concern in self.concerns.get(names, ()))


class _Row(NamedTuple):
    names: Names
    version: int
    reasons: tuple[Reason, ...]
    drawn_at: datetime
    html: Markup

    def is_current(self, version: int, facts: TableFacts) -> bool:
        is_young = abs(facts.now - self.drawn_at) < _MAX_AGE
        return self.version == version and is_young and self.reasons == facts.reasons(self.names)


class OrderRows:
    def __init__(self, records: Store) -> None:
        self._records = records
        self._kept: dict[tuple[int, tuple[Sort, ...]], _Row] = {}  # the last used ones last

    async def rows(self, found: FoundRows, facts: TableFacts) -> Sequence[Markup]:
        """Returns the rows of these orders."""
        current = {
            row: kept
            for row, version in found.versions
            if (kept := self._kept.pop((row, facts.extra), None)) and kept.is_current(version, facts)
        }
        lacking = [row for row, _ in found.versions if row not in current]
        orders = await self._records.search.in_rows(lacking, Detail.NONE) if lacking else {}
        current |= await asyncio.to_thread(self._draw, orders, facts)  # does not block the loop
        self._keep(current, facts)
        return [current[row].html for row, _ in found.versions]

    def _draw(self, orders: Mapping[int, Order], facts: TableFacts) -> Mapping[int, _Row]:
        return {row: self._row(order, facts) for row, order in orders.items()}

    def _row(self, order: Order, facts: TableFacts) -> _Row:
        names = (order.account, order.order_id)
        html = (
            templates()
            .get_template("row.html")
            .render(
                order=order,
                now=facts.now,
                lag=facts.lags.of(order.product),
                concerns=facts.concerns.get(names, ()),
                extra=facts.extra,
            )
        )
        return _Row(names, order.version, facts.reasons(names), facts.now, Markup(html))  # noqa: S704 - escaped

    def _keep(self, rows: Mapping[int, _Row], facts: TableFacts) -> None:
        self._kept |= {(row, facts.extra): kept for row, kept in rows.items()}
        while len(self._kept) > _MAX_ROWS:
            del self._kept[next(iter(self._kept))]
