"""Types of the settings' values; each validator raises the problem of a bad value."""

import contextlib
import errno
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from orderwatch.config.quantities import duration, size, timetable
from orderwatch.config.secrets import INDIRECT, resolve
from orderwatch.core.database_location import parse_server
from orderwatch.core.deliveries.bandwidth import Span
from orderwatch.core.deliveries.delivery_root import BucketRoot, DeliveryRoot, parse_root
from orderwatch.core.deliveries.paths import layout_problems
from orderwatch.core.listen_address import listen_problem
from orderwatch.core.network import is_loopback
from orderwatch.transfer.write_probe import nearest_existing, try_unnamed

_DISK_ERRNOS = {
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
}  # may recover without us


def _root(value: object) -> DeliveryRoot:
    if isinstance(value, Path | BucketRoot):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("path_type", "Input is not a valid path")
    return parse_root(value)


def usable_root(root: DeliveryRoot, info: ValidationInfo) -> DeliveryRoot:
    """Validate a delivery root; with `context["resolve"]` a folder must be writable."""
    if isinstance(root, BucketRoot):
        return root
    if not root.is_absolute():
        raise ValueError("must be an absolute path")
    if (info.context or {}).get("resolve"):
        try_folder(root)
    return root


def try_folder(folder: Path) -> None:
    """Test whether a folder, or the parent it would be created in, is writable; leaves nothing behind.

    A full, read-only or failing disk is not a configuration error.
    """
    found = folder
    try:
        found = nearest_existing(folder)
        try_unnamed(found)
    except OSError as error:
        if error.errno in _DISK_ERRNOS:
            return
        advice = (
            "; make it writable for the daemon's user, and run this command as that user"
            if error.errno == errno.EACCES
            else ""
        )
        raise ValueError(f"cannot be written: {found}: {error.strerror}{advice}") from error


_URL_EXPECTED = "must be a URL such as https://api.example.com"
_DATABASE = re.compile(r"sqlite:///(/.+)")


def _https(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # an invalid port raises on access
    except ValueError:
        raise ValueError(_URL_EXPECTED) from None  # the original error may quote a password
    if not host:
        raise ValueError(_URL_EXPECTED)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be a bare URL, without credentials, query or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("must be https; http is allowed only on loopback")
    return url.rstrip("/")


def _layout(layout: str) -> str:
    if problems := layout_problems(layout):
        raise ValueError("; ".join(problems))
    return layout


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name at least one attachment")
    return names


def _database_url(url: str, info: ValidationInfo) -> str:
    if url.startswith("postgresql:"):
        parse_server(url)
        return url
    match = _DATABASE.fullmatch(url)
    if match is None:
        raise ValueError('must be "sqlite:////absolute/path.db" or "postgresql://user@host/database"')
    if (info.context or {}).get("resolve"):
        try_folder(Path(match[1]).parent)
    return url


def _folder(folder: str, info: ValidationInfo) -> str:
    if not folder:
        return folder
    if not Path(folder).is_absolute():
        raise ValueError('must be an absolute path, or "" for the default')
    if (info.context or {}).get("resolve"):
        try_folder(Path(folder))
    return folder


def _listen(address: str) -> str:
    if address and (problem := listen_problem(address)):
        raise ValueError(problem)
    return address


def one_or_more(words: object) -> object:
    return [words] if isinstance(words, str) else words


def _web_address(secret: SecretStr) -> SecretStr:
    """Validate a URL that contains secrets, once it is known."""
    text = secret.get_secret_value()
    if text and not text.startswith(INDIRECT):
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError(_URL_EXPECTED) from None
        if not host or parts.scheme not in {"http", "https"}:
            raise ValueError(_URL_EXPECTED)
        if parts.scheme == "http" and not is_loopback(host):
            raise ValueError("must be https; http is allowed only on loopback")
    return secret


def _unless_empty(secret: SecretStr, info: ValidationInfo) -> SecretStr:
    return resolve(secret, info) if secret.get_secret_value() else secret


def moment(value: object) -> object:
    """Parse a TOML date or time, or ISO 8601 text; UTC unless it has a time zone."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        with contextlib.suppress(OverflowError):  # in UTC it is before year 1 or after 9999
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("must be a date or time such as 2026-11-22 or 2026-11-22T08:00:00Z")


Duration = Annotated[timedelta, BeforeValidator(duration)]
Size = Annotated[int, BeforeValidator(size)]
Timetable = Annotated[tuple[Span, ...], BeforeValidator(timetable)]
Url = Annotated[str, AfterValidator(_https)]
Secret = Annotated[SecretStr, AfterValidator(resolve)]
MaybeSecret = Annotated[SecretStr, AfterValidator(_unless_empty)]
SecretUrl = Annotated[SecretStr, AfterValidator(resolve), AfterValidator(_web_address)]
MaybeSecretUrl = Annotated[SecretStr, AfterValidator(_unless_empty), AfterValidator(_web_address)]
Pattern = Annotated[str, Field(min_length=1)]
Moment = Annotated[datetime, BeforeValidator(moment)]
Attachments = Annotated[tuple[Pattern, ...], AfterValidator(_some)]
OrderIds = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S+$")], ...],
    BeforeValidator(one_or_more),
]
DeliveryApi = Literal["telluric", "stac", "deliverables"]
DeliveryApis = Annotated[tuple[DeliveryApi, ...], AfterValidator(_some), BeforeValidator(one_or_more)]
Root = Annotated[
    Path | BucketRoot,
    PlainValidator(_root),
    AfterValidator(usable_root),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]
Layout = Annotated[str, AfterValidator(_layout)]
Words = Annotated[tuple[Pattern, ...], BeforeValidator(one_or_more)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
Folder = Annotated[str, AfterValidator(_folder)]
Listen = Annotated[str, AfterValidator(_listen)]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
