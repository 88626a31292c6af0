"""The settings: every key, its type, its default. `config.example.toml` shows them to the operator."""

import contextlib
import ipaddress
import os
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
    SecretStr,
    StrictBool,
    StrictInt,
    ValidationInfo,
)

from orderwatch.config import rights, units
from orderwatch.config.destination import try_folder, usable_root
from orderwatch.config.ordering import StandingOrder
from orderwatch.config.secret import resolve
from orderwatch.config.timetable import timetable
from orderwatch.core.bandwidth import Span
from orderwatch.core.layout import layout_problems

_LOCAL_NAMES = {"localhost", "localhost.localdomain"}
_NO_URL = "must be a URL such as https://api.example.com"
_DATABASE = re.compile(r"sqlite:///(/.+)")


def _https(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is none raises when it is asked for
    except ValueError:
        raise ValueError(_NO_URL) from None  # the error's own words may quote a password
    if not host:
        raise ValueError(_NO_URL)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be a bare URL, without credentials, query or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("must be https (plain http only on loopback)")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in _LOCAL_NAMES


def _layout(layout: str) -> str:
    if problems := layout_problems(layout):
        raise ValueError("; ".join(problems))
    return layout


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name at least one attachment")
    return names


def _database_url(url: str, info: ValidationInfo) -> str:
    match = _DATABASE.fullmatch(url)
    if match is None:
        raise ValueError('must be "sqlite:////absolute/path.db"')
    if (info.context or {}).get("resolve"):
        try_folder(Path(match[1]).parent)
    return url


def _listen(address: str) -> str:
    host, _, port = address.rpartition(":")
    if address and not (host and port.isdecimal() and int(port) < 65536):  # noqa: PLR2004 - the last port
        raise ValueError('must be "host:port", or "" for off')
    return address


def _one_or_more(words: object) -> object:
    return [words] if isinstance(words, str) else words


def _moment(value: object) -> object:
    """A TOML date or time, or ISO 8601 as text; without a zone it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        with contextlib.suppress(OverflowError):  # in UTC it would be before year 1, or after 9999
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    elif isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("must be a date or time such as 2026-11-22 or 2026-11-22T08:00:00Z")


def state_directory() -> Path:
    """Where systemd says that state belongs, else the usual place."""
    return Path(os.environ.get("STATE_DIRECTORY", "/var/lib/orderwatch").split(":")[0])


Duration = Annotated[timedelta, BeforeValidator(units.duration)]
Size = Annotated[int, BeforeValidator(units.size)]
Timetable = Annotated[tuple[Span, ...], BeforeValidator(timetable)]
Url = Annotated[str, AfterValidator(_https)]
Secret = Annotated[SecretStr, AfterValidator(resolve)]
Pattern = Annotated[str, Field(min_length=1)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Attachment = Literal["delivery_zip", "footprint", "thumbnail", "preview"]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Endpoints(Table):
    token: Url | None = None  # default: by the kind of credentials
    accounts: Url = "https://api.platform.satellogic.com"
    api: Url = "https://api.satellogic.com"


class Account(Table):
    credentials: Literal["platform", "legacy"] = "platform"
    client_id: Secret
    client_secret: Secret
    contract_id: Annotated[str, Field(min_length=1)] | None = None
    endpoints: Endpoints = Endpoints()

    @property
    def token_url(self) -> str:
        hosts = {"platform": "auth.platform.satellogic.com", "legacy": "login.satellogic.com"}
        return self.endpoints.token or f"https://{hosts[self.credentials]}/oauth/token"


class WatchDelivery(Table):
    """What of [delivery] is other than usual for the orders of a watch."""

    root: Annotated[Path, AfterValidator(usable_root)] | None = None
    layout: Annotated[str, AfterValidator(_layout)] | None = None
    attachments: Annotated[tuple[Attachment, ...], AfterValidator(_some)] | None = None
    extract: StrictBool | None = None


class Watch(Table):
    account: str
    task_ids: tuple[Annotated[StrictInt, Field(ge=0, lt=2**63)], ...] = ()
    project_name: Pattern | None = None
    task_name: Pattern | None = None
    placed_after: Moment | None = None
    status: Annotated[tuple[Pattern, ...], BeforeValidator(_one_or_more)] = ()
    delivery: WatchDelivery = WatchDelivery()


class Polling(Table):
    interval: Duration = timedelta(minutes=5)
    slowest: Duration = timedelta(hours=6)
    grace: Duration = timedelta(days=14)
    requests_per_second: Annotated[float, Field(gt=0, le=1000, strict=True)] = 5


class Delivery(Table):
    root: Annotated[Path, AfterValidator(usable_root)] = Field(
        default_factory=lambda: state_directory() / "deliveries", validate_default=True
    )
    layout: Annotated[str, AfterValidator(_layout)] = "{project_name}/{task_id}/{capture_id}/{file_name}"
    attachments: Annotated[tuple[Attachment, ...], AfterValidator(_some)] = ("delivery_zip",)
    parallel: Annotated[StrictInt, Field(ge=1, le=64)] = 4
    bandwidth: Timetable = ()
    keep_free: Size = 5_000_000_000
    connections: Annotated[StrictInt, Field(ge=1, le=16)] = 4
    file_mode: Annotated[int | None, BeforeValidator(rights.file_mode)] = None
    folder_mode: Annotated[int | None, BeforeValidator(rights.folder_mode)] = None
    owner: Annotated[str, AfterValidator(rights.known_owner)] = ""
    stall: Duration = timedelta(seconds=60)
    floor: Size = 4000
    retry_first: Duration = timedelta(seconds=30)
    retry_slowest: Duration = timedelta(hours=6)
    max_attempts: Annotated[StrictInt, Field(ge=1)] = 20
    extract: StrictBool = False


class Database(Table):
    url: Annotated[str, AfterValidator(_database_url)] = Field(
        default_factory=lambda: f"sqlite:///{state_directory() / 'orderwatch.db'}", validate_default=True
    )
    migrate: Literal["auto", "manual"] = "auto"

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))


class Log(Table):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Http(Table):
    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8787"


class Ordering(Table):
    enabled: StrictBool = False
    per_day: Annotated[StrictInt, Field(ge=0)] = 5
    in_all: Annotated[StrictInt, Field(ge=0)] = 50
    absent_after: Duration = timedelta(seconds=60)
    resend: StrictBool = False


class Notify(Table):
    kind: Literal["webhook"]
    url: Secret
    events: tuple[str, ...] = ("capture.moved", "delivery.stored", "order.done", "problem.*")
    allow_private: StrictBool = False


class Settings(Table):
    accounts: Annotated[dict[str, Account], Field(min_length=1)]
    watch: tuple[Watch, ...] = ()
    polling: Polling = Polling()
    delivery: Delivery
    database: Database
    log: Log = Log()
    http: Http = Http()
    notify: tuple[Notify, ...] = ()
    ordering: Ordering = Ordering()
    order: tuple[StandingOrder, ...] = ()
