"""Schemas of the provider's responses, tolerant of missing, invalid and new fields that are not needed."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from orderwatch.core.model import CapturePhase, OrderPhase, SceneFacts, plausible
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.core.orders.watches import fold_status
from orderwatch.provider.sanitize import is_url, redact_secrets, strip_unstorable

_ORDER: Mapping[str, OrderPhase] = {
    **{phase.value: phase for phase in OrderPhase},
    "accepted": OrderPhase.RECEIVED,
    "cancelled": OrderPhase.CANCELED,
    "programming": OrderPhase.IN_PROGRESS,
    "submitted": OrderPhase.RECEIVED,
}
_CAPTURE: Mapping[str, CapturePhase] = {
    **{phase.value: phase for phase in CapturePhase},
    "acquired": CapturePhase.CAPTURED,
    "cancelled": CapturePhase.CANCELED,
    "collecting": CapturePhase.TASKED,
    "complete": CapturePhase.PUBLISHED,
    "completed": CapturePhase.PUBLISHED,
    "delivered": CapturePhase.PUBLISHED,
    "downloaded": CapturePhase.CAPTURED,
    "error": CapturePhase.FAILED,
    "not_delivered": CapturePhase.FAILED,
    "queued": CapturePhase.PLANNED,
    "scheduled": CapturePhase.PLANNED,
}


def order_phase(word: str) -> OrderPhase | None:
    """Return the phase of an order's status, None if unknown."""
    return _ORDER.get(fold_status(word))


def capture_phase(word: str) -> CapturePhase | None:
    """Return the phase of a capture's status, None if unknown."""
    return _CAPTURE.get(fold_status(word))


log = structlog.get_logger()

_MAX_WORD_CHARS = 200
_MAX_LOGGED_PER_SHAPE = 20  # skipped rows with the same invalid fields


def read_time(value: object) -> datetime | None:
    """Parse ISO 8601 into aware UTC, the default zone; returns None for an implausible date."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return plausible(time and (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    """Return strings and numbers as text; None for a URL, which must not be stored as a name."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = strip_unstorable(str(_whole(value))).strip()
    return None if is_url(text) else text or None


def _whole(value: str | float) -> str | float:
    """Return 8.0 as 8: some servers write every number as a float."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if is_whole else value


def exact_text(value: object) -> str | None:
    """Return text; None for a fraction, which cannot be an identifier."""
    return _text(value) if not isinstance(value, float) or isinstance(_whole(value), int) else None


def _short(value: object) -> str | None:
    """Return a limited length of text: a status is displayed and logged with each change."""
    text = exact_text(value)
    return text and text[:_MAX_WORD_CHARS]


def _word(value: object) -> str:
    text = exact_text(value)
    if text is None:
        raise ValueError("expected a word")
    return text


def _number(value: object) -> int:
    word = _word(value)
    if not re.fullmatch(r"[0-9]{1,19}", word) or (number := int(word)) >= 2**63:
        raise ValueError("expected an integer of 63 bits")
    return number


def _product(value: object) -> str | None:
    return _text(value.get("pk") if isinstance(value, dict) else value)


def _geometry(value: object) -> object:
    return redact_secrets(value) if isinstance(value, dict) else None


Text = Annotated[str | None, BeforeValidator(_text)]
Word = Annotated[str, BeforeValidator(_word)]
Status = Annotated[str, BeforeValidator(lambda value: _short(value) or "")]  # "" if missing
Number = Annotated[int, BeforeValidator(_number)]
Time = Annotated[datetime | None, BeforeValidator(read_time)]
Product = Annotated[str | None, BeforeValidator(_product)]
Geometry = Annotated[dict[str, object] | None, BeforeValidator(_geometry)]
Flag = Annotated[bool | None, BeforeValidator(lambda value: value if isinstance(value, bool) else None)]
Rows = Annotated[list[object], BeforeValidator(lambda value: [] if value is None else value)]


class ResponseRow(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Task(ResponseRow):
    task_id: Number
    status: Status = ""
    task_name: Text = None
    project_name: Text = None
    product: Product = None
    start: Time = None
    end: Time = None
    created_time: Time = None

    def to_snapshot(self, raw: object) -> OrderSnapshot:
        document = redact_secrets(raw)
        return OrderSnapshot(
            order_id=str(self.task_id),
            **self.model_dump(exclude={"created_time"}),
            placed_at=self.created_time,
            phase=order_phase(self.status),
            document=document if isinstance(document, dict) else {},
        )


class Capture(ResponseRow):
    capture_id: Word
    status: Status = ""
    start: Time = None
    satellite_name: Text = None

    def to_snapshot(self) -> CaptureSnapshot:
        return CaptureSnapshot(**self.model_dump(), phase=capture_phase(self.status))


class Scene(ResponseRow):
    scene_id: Word
    timestamp: Time = None
    satellite_name: Text = None
    productname: Text = None
    footprint: Geometry = None
    last_modified: Text = None
    attachments: Rows = []

    @property
    def facts(self) -> SceneFacts:
        return SceneFacts(
            timestamp=self.timestamp,
            satellite_name=self.satellite_name,
            product=self.productname,
            footprint=self.footprint,
        )


class Attachment(ResponseRow):
    name: Word
    file_name: Text = None
    url: object = None


class ProductRow(ResponseRow):
    pk: Number
    name: Text = None
    is_area: Flag = None


class ContractRow(ResponseRow):
    contract_id: Word
    name: Text = None
    status: Text = None
    tasking_configuration: object = None


R = TypeVar("R", bound=ResponseRow)


class RowSource(NamedTuple):
    """The list that a row is from, and its position there, from 1; None for a single object."""

    list_name: str
    position: int | None = None


class SchemaReader:
    """Validates row by row: an invalid row is skipped and logged once."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._logged: set[tuple[str, ...]] = set()
        self._counts: Counter[tuple[str, ...]] = Counter()

    def read(self, model: type[R], raw: object, source: RowSource) -> R | None:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            fields = sorted({str(part["loc"][0]) for part in error.errors() if part["loc"]})
            self._log_skipped(model, fields, raw, source)
            return None

    def _log_skipped(
        self, model: type[ResponseRow], fields: list[str], raw: object, source: RowSource
    ) -> None:
        """Log a skipped row once per id, or once per list: positions change."""
        item, row_id = model.__name__, _id_of(model, raw)
        shape, name = (item, *fields), (item, *fields, row_id or source.list_name)
        if name in self._logged or self._counts[shape] == _MAX_LOGGED_PER_SHAPE:
            return
        self._logged.add(name)
        self._counts[shape] += 1
        log.warning(
            "provider.bad_item",
            account=self._account,
            item=item,
            fields=fields,
            list=source.list_name,
            position=source.position,
            id=row_id,
        )


def _id_of(model: type[ResponseRow], raw: object) -> str | None:
    """Return the value of the id field, None if unusable."""
    if not isinstance(raw, dict):
        return None
    text = _short(raw.get(next(iter(model.model_fields))))
    return text and str(redact_secrets(text))
