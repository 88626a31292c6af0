"""The provider's answers, read tolerantly: what we do not need may be missing, odd or new."""

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from orderwatch.core.field_parsers import plausible
from orderwatch.core.model import SceneFacts
from orderwatch.core.orders.snapshot import CaptureSnapshot, OrderSnapshot
from orderwatch.provider.sanitize import is_url, plain_fields, scrub
from orderwatch.provider.status_words import capture_phase, order_phase

log = structlog.get_logger()

_LONGEST_WORD = 200  # characters
_MOST_NAMED = 20  # rows of one shape that are left out


def read_time(value: object) -> datetime | None:
    """ISO 8601 to aware UTC; without a zone it is UTC already. None for what is no plausible date."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return plausible(time and (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    """Strings and numbers as text; a URL is never a name, and must not be kept as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = scrub(str(_whole(value))).strip()
    return None if is_url(text) else text or None


def _whole(value: str | float) -> str | float:
    """8.0 as 8: some servers write every number so."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if is_whole else value


def _exact(value: object) -> str | None:
    """Text, but of no number that is not whole: it names nothing."""
    return _text(value) if not isinstance(value, float) or isinstance(_whole(value), int) else None


def _short(value: object) -> str | None:
    """Text of a sensible length: a word is shown and logged each time it moves."""
    text = _exact(value)
    return text and text[:_LONGEST_WORD]


def _word(value: object) -> str:
    text = _exact(value)
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
    return plain_fields(value) if isinstance(value, dict) else None


Text = Annotated[str | None, BeforeValidator(_text)]
Word = Annotated[str, BeforeValidator(_word)]
Status = Annotated[str, BeforeValidator(lambda value: _short(value) or "")]  # "" where none is said
Number = Annotated[int, BeforeValidator(_number)]
Time = Annotated[datetime | None, BeforeValidator(read_time)]
Product = Annotated[str | None, BeforeValidator(_product)]
Geometry = Annotated[dict[str, object] | None, BeforeValidator(_geometry)]
Flag = Annotated[bool | None, BeforeValidator(lambda value: value if isinstance(value, bool) else None)]
Rows = Annotated[list[object], BeforeValidator(lambda value: [] if value is None else value)]


class TaskRow(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Task(TaskRow):
    task_id: Number
    status: Status = ""
    task_name: Text = None
    project_name: Text = None
    product: Product = None
    start: Time = None
    end: Time = None
    created_time: Time = None

    def seen(self, raw: object) -> OrderSnapshot:
        document = plain_fields(raw)
        return OrderSnapshot(
            **self.model_dump(exclude={"created_time"}),
            placed_at=self.created_time,
            phase=order_phase(self.status),
            document=document if isinstance(document, dict) else {},
        )


class Capture(TaskRow):
    capture_id: Word
    status: Status = ""
    start: Time = None
    satellite_name: Text = None

    def seen(self) -> CaptureSnapshot:
        return CaptureSnapshot(**self.model_dump(), phase=capture_phase(self.status))


class Scene(TaskRow):
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


class Attachment(TaskRow):
    name: Word
    file_name: Text = None
    url: object = None


class ProductRow(TaskRow):
    pk: Number
    name: Text = None
    is_area: Flag = None


class ContractRow(TaskRow):
    contract_id: Word
    name: Text = None
    status: Text = None
    tasking_configuration: object = None


R = TypeVar("R", bound=TaskRow)


class Place(NamedTuple):
    """Which list a row is of, and its position there, from 1; None where it came alone."""

    list_name: str
    position: int | None = None


class SchemaReader:
    """Reads row by row: a bad one is left out and named once, the others pass."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._named: set[tuple[str, ...]] = set()
        self._times: Counter[tuple[str, ...]] = Counter()

    def read(self, model: type[R], raw: object, place: Place) -> R | None:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            fields = sorted({str(part["loc"][0]) for part in error.errors() if part["loc"]})
            self._name(model, fields, raw, place)
            return None

    def _name(self, model: type[TaskRow], fields: list[str], raw: object, place: Place) -> None:
        """Log what is left out, by its id, or else by its list alone: positions move."""
        item, row_id = model.__name__, _id_of(model, raw)
        shape, name = (item, *fields), (item, *fields, row_id or place.list_name)
        if name in self._named or self._times[shape] == _MOST_NAMED:
            return
        self._named.add(name)
        self._times[shape] += 1
        log.warning(
            "provider.bad_item",
            account=self._account,
            item=item,
            fields=fields,
            list=place.list_name,
            position=place.position,
            id=row_id,
        )


def _id_of(model: type[TaskRow], raw: object) -> str | None:
    """What stands where the id should be, as far as it can be told."""
    if not isinstance(raw, dict):
        return None
    text = _short(raw.get(next(iter(model.model_fields))))
    return text and str(plain_fields(text))
