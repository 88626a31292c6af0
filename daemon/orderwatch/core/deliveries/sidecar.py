"""The sidecar of a stored file, enough to rebuild the database; without URLs and tokens."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from orderwatch.core.model import Delivery, DeliveryState, Order, SceneFacts, plausible

V = TypeVar("V")

_INTEGER_LIMIT = 2**63  # of the database
_ALL_PERCENT = 100
_NAMES = ("account", "capture", "scene", "attachment", "version")  # of a delivery, beside its order
_IDENTITY_FIELDS = {
    "account": "account",
    "order": "order_id",
    "capture": "capture_id",
    "scene": "scene_id",
    "attachment": "attachment",
    "version": "version",
    "file_name": "file_name",
    "fingerprint": "fingerprint",
    "size": "size",
    "sha256": "sha256",
}


def sidecar(order: Order, delivery: Delivery, stored_at: datetime) -> bytes:
    """Returns JSON in UTF-8: sizes in bytes, times in UTC, the footprint a GeoJSON geometry in degrees."""
    capture = order.capture(delivery.capture_id)
    content = {
        "account": delivery.account,
        "order": delivery.order_id,
        "task": delivery.task_id,
        "task_name": order.task_name,
        "project_name": order.project_name,
        "product": order.product,
        "capture": delivery.capture_id,
        "capture_start": zulu(capture.start) if capture and capture.start else None,
        "published_at": zulu(capture.published_at) if capture and capture.published_at else None,
        "satellite": (capture.satellite_name if capture else None) or delivery.scene.satellite_name,
        "scene": delivery.scene_id,
        "scene_timestamp": zulu(delivery.scene.timestamp) if delivery.scene.timestamp else None,
        "scene_product": delivery.scene.product,
        "collection": delivery.scene.collection,
        "grid": delivery.scene.grid,
        "product_version": delivery.scene.product_version,
        "cloud_cover": delivery.scene.cloud_cover,
        "footprint": delivery.scene.footprint,
        "attachment": delivery.attachment,
        "version": delivery.version,
        "file_name": delivery.file_name,
        "fingerprint": delivery.fingerprint,
        "size": delivery.size,
        "sha256": delivery.sha256,
        "stored_at": zulu(stored_at),
    }
    # A line for each field: to indent what is inside takes ten times as long.
    lines = [f'  "{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in content.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarFacts:
    """The content of a sidecar: the delivery, without root and path, and facts of its order and capture."""

    delivery: Delivery
    stored_at: datetime
    task_name: str | None
    project_name: str | None
    product: str | None
    capture_start: datetime | None
    satellite_name: str | None
    published_at: datetime | None  # not in the sidecars of the first version


def parse(content: bytes) -> SidecarFacts:
    """Parses a sidecar of this or an older version; `ValueError` has a short reason."""
    fields = _Fields(_object(content))
    stored_at, satellite = fields.time("stored_at"), fields.maybe_text("satellite")
    size = fields.number("size")
    delivery = Delivery(
        account=fields.text("account"),
        order_id=fields.maybe_text("order") or str(fields.number("task")),
        task_id=fields.maybe_number("task"),
        capture_id=fields.text("capture"),
        scene_id=fields.text("scene"),
        attachment=fields.text("attachment"),
        version=fields.number("version", least=1),
        file_name=fields.text("file_name"),
        fingerprint=fields.text("fingerprint"),
        scene=SceneFacts(
            timestamp=plausible(fields.maybe_time("scene_timestamp")),
            satellite_name=satellite,
            product=fields.maybe_text("scene_product"),
            collection=fields.maybe_text("collection"),
            grid=fields.maybe_text("grid"),
            product_version=fields.maybe_text("product_version"),
            cloud_cover=fields.maybe_percent("cloud_cover"),
            footprint=fields.maybe_object("footprint"),
        ),
        state=DeliveryState.STORED,
        durable=size,
        size=size,
        sha256=fields.text("sha256"),
        stored_at=stored_at,
    )
    return SidecarFacts(
        delivery=delivery,
        stored_at=stored_at,
        task_name=fields.maybe_text("task_name"),
        project_name=fields.maybe_text("project_name"),
        product=fields.maybe_text("product"),
        capture_start=plausible(fields.maybe_time("capture_start")),
        satellite_name=satellite,
        published_at=fields.maybe_time("published_at"),
    )


def identity(content: bytes) -> list[Any] | None:
    """Returns what names the delivery of a sidecar, None if it is no sidecar."""
    try:
        facts = json.loads(content)
        order = facts["order"] if "order" in facts else facts["task"]  # before orders had ids of text
        return [str(order), *(facts[name] for name in _NAMES)]
    except (ValueError, KeyError, TypeError):
        return None


def disagreements(described: SidecarFacts, delivery: Delivery) -> list[str]:
    """Returns the names of identifying fields in which the sidecar and the record differ."""
    there = described.delivery
    is_same_task = there.task_id is not None and there.task_id == delivery.task_id  # of another API of theirs
    return [
        name
        for name, of in _IDENTITY_FIELDS.items()
        if getattr(there, of) != getattr(delivery, of) and not (name == "order" and is_same_task)
    ]


def zulu(time: datetime) -> str:
    """Returns ISO 8601 in UTC with `Z`."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


class _Fields:
    """Reads the fields of a sidecar, each with its type."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        return _needed(name, self.maybe_text(name))

    def number(self, name: str, least: int = 0) -> int:
        return _needed(name, self.maybe_number(name, least))

    def maybe_number(self, name: str, least: int = 0) -> int | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if type(value) is not int or not least <= value < _INTEGER_LIMIT:
            raise ValueError(f"{name} is not a valid number")
        return value

    def time(self, name: str) -> datetime:
        return _needed(name, self.maybe_time(name))

    def maybe_text(self, name: str) -> str | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _is_unicode(value):
            raise ValueError(f"{name} is not text")
        return value

    def maybe_time(self, name: str) -> datetime | None:
        text = self.maybe_text(name)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
            if time.tzinfo is not None:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValueError(f"{name} is not a time with a zone")

    def maybe_percent(self, name: str) -> float | None:
        value = self._fields.get(name)
        if value is None:
            return None
        if type(value) not in {int, float} or not 0 <= value <= _ALL_PERCENT:
            raise ValueError(f"{name} is not a percentage")
        return float(value)

    def maybe_object(self, name: str) -> Mapping[str, object] | None:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise ValueError(f"{name} is not an object")
        return value


def _needed(name: str, value: V | None) -> V:
    if value is None:
        raise ValueError(f"{name} is missing")
    return value


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(fields, dict):
        raise ValueError("it is not an object")  # noqa: TRY004 - the file is wrong, not a type
    return fields


def _is_unicode(text: str) -> bool:
    """Returns whether the text has no lone surrogates, which databases reject."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
