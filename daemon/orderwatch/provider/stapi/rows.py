"""Schemas of an order and of its statuses, tolerant like `provider.schemas`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from orderwatch.core.model import OrderPhase
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.provider.geojson import order_document
from orderwatch.provider.identifier import Id
from orderwatch.provider.sanitize import message_text, reason_text
from orderwatch.provider.schemas import Geometry, ResponseRow, Status, Text, Time, read_time
from orderwatch.provider.stapi.links import file_links
from orderwatch.provider.stapi.words import order_phase

_NO_DATE = datetime.min.replace(tzinfo=UTC)
_ENDED_WITHOUT_SUCCESS = frozenset(
    {OrderPhase.FAILED, OrderPhase.REJECTED, OrderPhase.CANCELED, OrderPhase.EXPIRED}
)


def _fields(value: object) -> object:
    return value if isinstance(value, dict) else {}


Fields = Annotated[dict[str, object], BeforeValidator(_fields)]
Links = Annotated[list[object], BeforeValidator(lambda value: value if isinstance(value, list) else [])]


class StatusRow(ResponseRow):
    status_code: Status = ""
    timestamp: Time = None
    reason_code: Status = ""
    reason_text: object = None
    links: Links = Field(default_factory=list)

    @property
    def reason(self) -> str | None:
        return reason_text(": ".join(filter(None, (self.reason_code, message_text(self.reason_text)))))


class Properties(ResponseRow):
    product_id: Text = None
    created: Time = None
    status: Annotated[StatusRow, BeforeValidator(_fields)] = StatusRow()
    search_parameters: Fields = Field(default_factory=dict)
    assets: Fields = Field(default_factory=dict)


class OrderRow(ResponseRow):
    id: Id
    geometry: Geometry = None
    properties: Properties
    links: Links = Field(default_factory=list)
    assets: Fields = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with its statuses, the newest first; only the present one if the provider shows no others."""

    raw: Mapping[str, object]
    row: OrderRow
    statuses: Sequence[StatusRow]

    @property
    def files(self) -> Mapping[str, object]:
        """The assets and links to files by name; a partial delivery is linked in an old status."""
        links = file_links([self.row.links, *(status.links for status in self.statuses)])
        return {**links, **self.row.properties.assets, **self.row.assets}

    def to_snapshot(self) -> OrderSnapshot:
        seen = self.row.properties
        phase = order_phase(seen.status.status_code)
        period = str(seen.search_parameters.get("datetime") or "").partition("/")
        return OrderSnapshot(
            order_id=self.row.id,
            status=seen.status.status_code,
            phase=phase,
            product=seen.product_id,
            placed_at=seen.created,
            start=read_time(period[0]),
            end=read_time(period[2]),
            document=order_document(self.raw, self.row.geometry),
            reason=self._reason(phase),
        )

    def _reason(self, phase: OrderPhase | None) -> str | None:
        """Return the reason of the present status, else the last one if the order ended without success."""
        earlier = self.statuses if phase in _ENDED_WITHOUT_SUCCESS else ()
        return next(filter(None, (each.reason for each in (self.row.properties.status, *earlier))), None)


def newest_first(present: StatusRow, history: Sequence[StatusRow]) -> Sequence[StatusRow]:
    """Return the statuses with the present one first; servers differ in their order."""
    return [present, *sorted(history, key=lambda status: status.timestamp or _NO_DATE, reverse=True)]
