"""Rows as values, and values as rows."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, DateTime, Dialect, RowMapping, Text
from sqlalchemy.types import TypeDecorator

from orderwatch.core.deliveries.file_version import FileVersion, RefusedFile
from orderwatch.core.deliveries.pictures import pictured_at
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    P,
    SceneFacts,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
    plausible,
)
from orderwatch.core.orders.circuit_breaker import OpenCircuit


def utc(time: datetime) -> datetime:
    """Return the same moment in UTC; `ValueError` for a time without a zone."""
    if time.utcoffset() is None:
        raise ValueError("a time without a zone cannot be stored")
    return time.astimezone(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. Naive times are rejected, since SQLite silently drops offsets."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else utc(value).replace(tzinfo=None)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """Parse as aware at once: a page has thousands of times, and naive ones in between cost ten times."""
        del coltype
        return _moment if dialect.name == "sqlite" else _aware


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(f"{stored}+00:00")


def _aware(stored: datetime | None) -> datetime | None:
    return None if stored is None else stored.replace(tzinfo=UTC)


class _JsonText(TypeDecorator[Any]):
    """A JSON document as text, NULL for None."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401 - of any JSON
        del dialect
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        del dialect
        return None if value is None else parse_json(value)


# PostgreSQL keeps documents as text, because its own JSON has no NaN, and fails to read U+0000.
DOCUMENT = JSON(none_as_null=True).with_variant(_JsonText(), "postgresql")


to_json = json.JSONEncoder(separators=(",", ":")).encode
"""Write a document in few bytes."""


def parse_json(stored: str) -> object:
    """Return what a JSON column holds."""
    try:
        return orjson.loads(stored)
    except orjson.JSONDecodeError:  # for lone surrogates, which the provider may send
        return json.loads(stored)


Row = dict[str, Any]


def order_row(order: Order) -> Row:
    return {
        "account": order.account,
        "order_id": order.order_id,
        "task_id": order.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "product": order.product,
        "placed_at": order.placed_at,
        "start": order.start,
        "end": order.end,
        "reason": order.reason,
        **_status_row(order.status),
        "state": order.state,
        "final_at": order.final_at,
        "last_seen_at": order.last_seen_at,
        "looked_at": order.looked_at,
        "next_look_at": order.next_look_at,
        "ours": order.ours,
        "document": dict(order.document),
        "priority": order.priority,
    }


def order_of(row: RowMapping | Row, captures: tuple[Capture, ...], deliveries: tuple[Delivery, ...]) -> Order:
    return Order(
        account=row["account"],
        order_id=row["order_id"],
        task_id=row["task_id"],
        status=_status_of(row, OrderPhase(row["phase"]) if row["phase"] else None),
        state=OrderState(row["state"]),
        task_name=row["task_name"],
        project_name=row["project_name"],
        product=row["product"],
        placed_at=plausible(row["placed_at"]),
        start=plausible(row["start"]),
        end=plausible(row["end"]),
        reason=row["reason"],
        document=row["document"],
        final_at=row["final_at"],
        last_seen_at=row["last_seen_at"],
        listed_at=row["listed_at"] if row["listed"] else None,
        looked_at=row["looked_at"],
        next_look_at=row["next_look_at"],
        ours=row["ours"],
        version=row["version"],
        captures=captures,
        deliveries=deliveries,
    )


def capture_row(order_row: int, capture: Capture) -> Row:
    return {
        "order_row": order_row,
        "capture_id": capture.capture_id,
        **_status_row(capture.status),
        "start": capture.start,
        "satellite_name": capture.satellite_name,
        "published_at": capture.published_at,
        "scenes_seen_at": capture.scenes_seen_at,
        "lacking": capture.lacking,
        "parts_changed_at": capture.parts_changed_at,
    }


def capture_of(row: RowMapping) -> Capture:
    return Capture(
        capture_id=row["capture_id"],
        status=_status_of(row, CapturePhase(row["phase"]) if row["phase"] else None),
        start=plausible(row["start"]),
        satellite_name=row["satellite_name"],
        published_at=row["published_at"],
        scenes_seen_at=row["scenes_seen_at"],
        lacking=row["lacking"],
        parts_changed_at=row["parts_changed_at"],
    )


_DELIVERY_COLUMNS = (
    "account",
    "order_id",
    "task_id",
    "capture_id",
    "scene_id",
    "attachment",
    "version",
    "file_name",
    "fingerprint",
    "attempts",
    "attempts_without_progress",
    "not_before",
    "reason",
    "durable",
    "furthest",
    "host",
    "total",
    "validator",
    "weak_validator",
    "last_modified",
    "host_date",
    "tag_changes",
    "refused_sha256",
    "root",
    "path",
    "size",
    "sha256",
    "stored_at",
    "fence",
)
DELIVERY_KEY = ("account", "order_id", "capture_id", "scene_id", "attachment", "version")
_WRITTEN_APART = {"root", "path", "fence"}
_FACTS = tuple(name for name in _DELIVERY_COLUMNS if name not in {*DELIVERY_KEY, *_WRITTEN_APART})


def delivery_row(delivery: Delivery) -> Row:
    """Return everything but what only `Deliveries.reserve` and its claims write."""
    return {**{name: getattr(delivery, name) for name in DELIVERY_KEY}, **delivery_facts(delivery)}


def delivery_facts(delivery: Delivery) -> Row:
    """Return what may change of a delivery: its row without its key."""
    row = {name: getattr(delivery, name) for name in _FACTS}
    refused = delivery.refused and {"reason": delivery.refused.reason, **delivery.refused.version.facts()}
    return {
        **row,
        "state": delivery.state,
        "scene": _scene_row(delivery.scene),
        "refused": refused,
        "pictured_at": pictured_at(delivery),
    }


def delivery_of(row: RowMapping) -> Delivery:
    return Delivery(
        **{name: row[name] for name in _DELIVERY_COLUMNS},
        state=DeliveryState(row["state"]),
        scene=scene_of(row["scene"]),
        refused=_refused_of(row["refused"]),
    )


def circuit_of(row: RowMapping) -> OpenCircuit | None:
    if row["began_at"] is None:
        return None
    return OpenCircuit(**{name: row[name] for name in OpenCircuit.__dataclass_fields__})


def circuit_row(circuit: OpenCircuit | None) -> Row:
    return {name: getattr(circuit, name, None) for name in OpenCircuit.__dataclass_fields__}


def transition_row(transition: Transition) -> Row:
    return {name: getattr(transition, name) for name in Transition.__dataclass_fields__}


def transition_of(row: RowMapping) -> Transition:
    fields = {name: row[name] for name in Transition.__dataclass_fields__}
    return Transition(**{**fields, "subject": Subject(row["subject"]), "kind": TransitionKind(row["kind"])})


def _status_row(status: TrackedStatus[P]) -> Row:
    return {
        "word": status.word,
        "phase": status.phase,
        "doubts": status.doubts,
        "doubted_at": status.doubted_at,
    }


def _status_of(row: RowMapping | Row, phase: P | None) -> TrackedStatus[P]:
    return TrackedStatus(word=row["word"], phase=phase, doubts=row["doubts"], doubted_at=row["doubted_at"])


def _refused_of(stored: Mapping[str, Any] | None) -> RefusedFile | None:
    return None if stored is None else RefusedFile(FileVersion.of(stored), stored["reason"])


_OPTIONAL_FACTS = ("collection", "grid", "product_version", "cloud_cover")


def _scene_row(scene: SceneFacts) -> Row:
    return {
        "timestamp": utc(scene.timestamp).isoformat() if scene.timestamp else None,
        "satellite_name": scene.satellite_name,
        "product": scene.product,
        "footprint": scene.footprint,
        **{name: getattr(scene, name) for name in _OPTIONAL_FACTS if getattr(scene, name) is not None},
    }


def scene_of(stored: Mapping[str, Any]) -> SceneFacts:
    timestamp = stored["timestamp"]
    return SceneFacts(
        timestamp=plausible(datetime.fromisoformat(timestamp)) if timestamp else None,
        satellite_name=stored["satellite_name"],
        product=stored["product"],
        footprint=stored["footprint"],
        **{name: stored.get(name) for name in _OPTIONAL_FACTS},
    )
