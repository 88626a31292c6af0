"""The provider's answers, read tolerantly: what we do not need may be missing, odd or new."""

import re
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from orderwatch.core.model import SceneFacts
from orderwatch.core.seen import SeenCapture, SeenOrder
from orderwatch.provider.plain import is_url, plain, scrub
from orderwatch.provider.words import capture_phase, order_phase

log = structlog.get_logger()

_LONGEST_WORD = 200  # characters


def read_time(value: object) -> datetime | None:
    """ISO 8601 to aware UTC; without a zone it is UTC already."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time and (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    """Strings and numbers as text; a URL is never a name, and must not be kept as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = scrub(str(value)).strip()
    return None if is_url(text) else text or None


def _short(value: object) -> str | None:
    """Text of a sensible length: a word is shown and logged each time it moves."""
    text = None if isinstance(value, float) else _text(value)
    return text and text[:_LONGEST_WORD]


def _word(value: object) -> str:
    text = None if isinstance(value, float) else _text(value)
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
    return plain(value) if isinstance(value, dict) else None


Text = Annotated[str | None, BeforeValidator(_text)]
Word = Annotated[str, BeforeValidator(_word)]
Status = Annotated[str, BeforeValidator(lambda value: _short(value) or "")]  # "" where none is said
Number = Annotated[int, BeforeValidator(_number)]
Time = Annotated[datetime | None, BeforeValidator(read_time)]
Product = Annotated[str | None, BeforeValidator(_product)]
Geometry = Annotated[dict[str, object] | None, BeforeValidator(_geometry)]
Flag = Annotated[bool | None, BeforeValidator(lambda value: value if isinstance(value, bool) else None)]
Rows = Annotated[list[object], BeforeValidator(lambda value: [] if value is None else value)]


class Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Task(Row):
    task_id: Number
    status: Status = ""
    task_name: Text = None
    project_name: Text = None
    product: Product = None
    start: Time = None
    end: Time = None
    created_time: Time = None

    def seen(self, raw: object) -> SeenOrder:
        document = plain(raw)
        return SeenOrder(
            **self.model_dump(exclude={"created_time"}),
            placed_at=self.created_time,
            phase=order_phase(self.status),
            document=document if isinstance(document, dict) else {},
        )


class Capture(Row):
    capture_id: Word
    status: Status = ""
    start: Time = None
    satellite_name: Text = None

    def seen(self) -> SeenCapture:
        return SeenCapture(**self.model_dump(), phase=capture_phase(self.status))


class Scene(Row):
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


class Attachment(Row):
    name: Word
    file_name: Text = None
    url: object = None


class ProductRow(Row):
    pk: Number
    name: Text = None
    is_area: Flag = None


class ContractRow(Row):
    contract_id: Word
    name: Text = None
    status: Text = None
    tasking_configuration: object = None


R = TypeVar("R", bound=Row)


class Reader:
    """Reads row by row: a bad one is left out and its shape said once, the others pass."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._said: set[tuple[str, ...]] = set()

    def read(self, model: type[R], raw: object) -> R | None:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            self._say(model.__name__, {str(part["loc"][0]) for part in error.errors() if part["loc"]})
            return None

    def _say(self, item: str, fields: set[str]) -> None:
        shape = (item, *sorted(fields))
        if shape not in self._said:
            self._said.add(shape)
            log.warning("provider.bad_item", account=self._account, item=item, fields=sorted(fields))
