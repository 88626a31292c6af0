"""Schemas of the v2 API's rows, tolerant like `provider.schemas`."""

import re
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from orderwatch.core.field_parsers import whole
from orderwatch.core.model import CapturePhase
from orderwatch.core.orders.snapshot import CaptureSnapshot
from orderwatch.provider.identifier import Id, identifier
from orderwatch.provider.schemas import (
    Geometry,
    ResponseRow,
    Status,
    Text,
    Time,
    capture_phase,
)
from orderwatch.provider.v2.words import deliverable_phase

_ID_KEYS = ("order_id", "capture_id", "id")
_PREFIX = re.compile(r"[A-Za-z]+\.(?=\S)")  # of `cap.9d5d1c1e-…`


def flat(raw: object) -> dict[str, object]:
    """Return the fields of a row that are not null; those of a GeoJSON Feature's `properties` come first."""
    row = _present(raw)
    if isinstance(row.get("properties"), dict):
        if row.get("type") == "Feature":
            del row["type"]  # an event has another type
        row |= _present(row.pop("properties"))
    return row


def _present(raw: object) -> dict[str, object]:
    return {key: value for key, value in raw.items() if value is not None} if isinstance(raw, dict) else {}


def _reference(value: object) -> str | None:
    """Return the id in a field that holds an id, or an object with it."""
    row = flat(value)
    try:
        return identifier(next((row[key] for key in _ID_KEYS if key in row), value))
    except ValueError:
        return None


def _fields(value: object) -> dict[str, object]:
    return flat(value)


Reference = Annotated[str | None, BeforeValidator(_reference)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Fields = Annotated[dict[str, object], BeforeValidator(_fields)]


class Parameters(ResponseRow):
    start: Time = None
    end: Time = None
    task_id: Whole = None


class OrderRow(ResponseRow):
    order_id: Id
    status: Status = Field("", validation_alias=AliasChoices("status", "state"))
    order_name: Text = None
    project_name: Text = None
    sku: Text = None
    created_at: Time = Field(None, validation_alias=AliasChoices("created_at", "created", "created_time"))
    parameters: Annotated[Parameters, BeforeValidator(_fields)] = Parameters()
    latest_event: Fields = Field(default_factory=dict)
    status_report: object = None
    geometry: Geometry = None


class EventRow(ResponseRow):
    event_id: Reference = Field(None, validation_alias=AliasChoices("event_id", "id"))
    type: Text = Field(None, validation_alias=AliasChoices("event_type", "type"))
    timestamp: Time = None
    message: object = None


class CaptureRow(ResponseRow):
    """`capture_id` is that of the archive, without a prefix such as `cap.`."""

    capture_id: Annotated[str, BeforeValidator(lambda value: outcome_id(identifier(value)))] = Field(
        validation_alias=AliasChoices("capture_id", "id")
    )
    status: Status = Field("", validation_alias=AliasChoices("status", "state"))
    start: Time = None
    satellite_name: Text = None

    def to_snapshot(self) -> CaptureSnapshot:
        return CaptureSnapshot(**self.model_dump(), phase=capture_phase(self.status))


class DeliverableRow(ResponseRow):
    deliverable_id: Id = Field(validation_alias=AliasChoices("deliverable_id", "id"))
    capture: Reference = Field(
        None, validation_alias=AliasChoices("capture_id", "capture", "satl:outcome_id", "outcome_id")
    )
    status: Status = Field("", validation_alias=AliasChoices("status", "state"))
    processing_level: Text = None
    assets: Fields = Field(default_factory=dict)

    @property
    def capture_id(self) -> str:
        """The capture that shows it; without one, it counts as a separate capture."""
        return outcome_id(self.capture) if self.capture else self.deliverable_id

    @property
    def phase(self) -> CapturePhase | None:
        return deliverable_phase(self.status)


def outcome_id(capture_id: str) -> str:
    """Return the id that the archive knows a capture by."""
    return _PREFIX.sub("", capture_id, count=1)


class _OrderReference(ResponseRow):
    order: Reference = Field(None, validation_alias=AliasChoices("order", "order_id"))


def order_of(raw: object) -> str | None:
    """Return the id of the order that a row belongs to."""
    return _OrderReference.model_validate(flat(raw)).order


def is_archive_order(raw: object) -> bool:
    """Return whether it buys an existing image, which is no tasking."""
    sku = flat(raw).get("sku")
    return isinstance(sku, str) and sku.strip().upper().startswith("ARC")
