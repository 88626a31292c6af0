"""The settings: every key with its type and default; `config.example.toml` documents them."""

import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    SecretStr,
    StrictBool,
    StrictInt,
    model_validator,
)

from orderwatch.config import permissions
from orderwatch.config.network import Network
from orderwatch.config.notifications import Heartbeat, Notify, names_of
from orderwatch.config.s3 import S3
from orderwatch.config.types import (
    Attachments,
    DatabaseUrl,
    DeliveryApis,
    Duration,
    Folder,
    Layout,
    Listen,
    MaybeSecret,
    Moment,
    OrderIds,
    Pattern,
    Root,
    Secret,
    Size,
    Table,
    Timetable,
    Url,
    Words,
)
from orderwatch.core.database_location import DatabaseLocation, parse_server
from orderwatch.core.listen_address import host_and_port, socket_of
from orderwatch.core.network import is_loopback
from orderwatch.core.ordering.order_file import Draft, read_draft
from orderwatch.errors import DatabaseError

_MIN_LEASE, _MAX_LEASE = timedelta(seconds=4), timedelta(minutes=10)

PROBLEM_SEPARATOR = "\n"  # each problem is reported separately
FILLED_IN = ("delivery", "database")  # tables that the loader adds: their default folders are tested too


def read_standing_order(table: object) -> Draft:
    if not isinstance(table, dict):
        raise ValueError("must be a table")  # noqa: TRY004 - pydantic expects it
    draft, problems = read_draft(table)
    if draft is not None and draft.account is None:
        draft, problems = None, [*problems, "account: missing"]
    if draft is None:
        raise ValueError(PROBLEM_SEPARATOR.join(problems))
    return draft


def _long_enough(lease: timedelta) -> timedelta:
    if not _MIN_LEASE <= lease <= _MAX_LEASE:
        raise ValueError("must be between 4s and 10m")
    return lease


StandingOrder = Annotated[InstanceOf[Draft], BeforeValidator(read_standing_order)]


def state_directory() -> Path:
    """Return systemd's state directory, else the default."""
    return Path(os.environ.get("STATE_DIRECTORY", "/var/lib/orderwatch").split(":")[0])


class Endpoints(Table):
    token: Url | None = None  # default: depends on `credentials`
    accounts: Url = "https://api.platform.satellogic.com"
    api: Url = "https://api.satellogic.com"
    archive: Url | None = None  # default: below `api`


class Account(Table):
    credentials: Literal["platform", "legacy", "oauth", "bearer"] = "platform"
    client_id: Secret = SecretStr("")  # required for all credentials but "bearer"
    client_secret: Secret
    contract_id: Annotated[str, Field(min_length=1)] | None = None
    api: Literal["v1", "v2", "stapi"] = "v1"
    delivery_api: DeliveryApis = ("telluric",)
    collections: Words = ("l1d-sr", "l1d")
    endpoints: Endpoints = Endpoints()

    @property
    def token_url(self) -> str:
        """The URL of the token endpoint, empty if the secret is the token."""
        hosts = {"platform": "auth.platform.satellogic.com", "legacy": "login.satellogic.com"}
        if self.credentials in hosts:
            return self.endpoints.token or f"https://{hosts[self.credentials]}/oauth/token"
        return (self.credentials == "oauth" and self.endpoints.token) or ""

    @property
    def archive_url(self) -> str:
        return self.endpoints.archive or f"{self.endpoints.api.rstrip('/')}/v2/archive/search"


class WatchDelivery(Table):
    """Overrides of [delivery] for orders matched by a watch."""

    root: Root | None = None
    layout: Layout | None = None
    attachments: Attachments | None = None
    extract: StrictBool | None = None


class Watch(Table):
    account: str
    task_ids: tuple[Annotated[StrictInt, Field(ge=0, lt=2**63)], ...] = ()
    order_ids: OrderIds = ()
    project_name: Pattern | None = None
    task_name: Pattern | None = None
    placed_after: Moment | None = None
    status: Words = ()
    delivery: WatchDelivery = WatchDelivery()


class Polling(Table):
    interval: Duration = timedelta(minutes=5)
    max_interval: Duration = timedelta(hours=6)
    grace: Duration = timedelta(days=14)
    requests_per_second: Annotated[float, Field(gt=0, le=1000, strict=True)] = 5


class Delivery(Table):
    root: Root = Field(default_factory=lambda: state_directory() / "deliveries", validate_default=True)
    layout: Layout = "{project_name}/{task_id}/{capture_id}/{file_name}"
    attachments: Attachments | None = None
    parallel: Annotated[StrictInt, Field(ge=1, le=64)] = 4
    bandwidth: Timetable = ()
    keep_free: Size = 5_000_000_000
    connections: Annotated[StrictInt, Field(ge=1, le=16)] = 4
    file_mode: Annotated[int | None, BeforeValidator(permissions.file_mode)] = None
    folder_mode: Annotated[int | None, BeforeValidator(permissions.folder_mode)] = None
    owner: Annotated[str, AfterValidator(permissions.known_owner)] = ""
    stall_timeout: Duration = timedelta(seconds=60)
    min_speed: Size = 4000
    retry_min: Duration = timedelta(seconds=30)
    retry_max: Duration = timedelta(hours=6)
    max_attempts: Annotated[StrictInt, Field(ge=1)] = 20
    extract: StrictBool = False
    stac: StrictBool = False
    scrub: Size = 10_000_000_000


class Database(Table):
    url: DatabaseUrl = Field(
        default_factory=lambda: f"sqlite:///{state_directory() / 'orderwatch.db'}", validate_default=True
    )
    migrate: Literal["auto", "manual"] = "auto"
    backups: Annotated[StrictInt, Field(ge=0, le=1000)] = 7
    backup_folder: Folder = ""
    retain: Duration = timedelta(days=1825)

    @property
    def is_shared(self) -> bool:
        """Whether several hosts may use it: a file has one daemon."""
        return not self.url.startswith("sqlite:")

    @property
    def location(self) -> DatabaseLocation:
        return parse_server(self.url) if self.is_shared else self.file

    @property
    def file(self) -> Path:
        """The file of SQLite; `DatabaseError` if the database is on a server."""
        if self.is_shared:
            raise DatabaseError(
                f"{parse_server(self.url)} is a server's:"
                " back it up and restore it with PostgreSQL's own commands, such as pg_dump and pg_restore"
            )
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def backups_path(self) -> Path:
        return Path(self.backup_folder) if self.backup_folder else self.file.parent / "backups"

    @property
    def spool_path(self) -> Path:
        """The folder of this machine for deliveries on their way into a bucket."""
        return (state_directory() if self.is_shared else self.file.parent) / "spool"


class Cluster(Table):
    host: str = ""  # the machine's name
    lease: Annotated[Duration, AfterValidator(_long_enough)] = timedelta(seconds=30)

    @property
    def name(self) -> str:
        """The name of this host."""
        return self.host or socket.gethostname()


class Log(Table):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Http(Table):
    listen: Listen = "127.0.0.1:8787"
    token: MaybeSecret = SecretStr("")
    hosts: Words = ()
    actions: StrictBool = False
    files: StrictBool = False
    user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""

    @model_validator(mode="after")
    def _require_token(self) -> Self:
        if self.actions and not self.token.get_secret_value():
            raise ValueError("actions = true needs a token: anyone who can reach the page could act")
        return self


class Ordering(Table):
    enabled: StrictBool = False
    max_per_day: Annotated[StrictInt, Field(ge=0)] = 5
    max_total: Annotated[StrictInt, Field(ge=0)] = 50
    confirm_lost_after: Duration = timedelta(seconds=60)
    resend: StrictBool = False


class Settings(Table):
    accounts: Annotated[dict[str, Account], Field(min_length=1)]
    watch: tuple[Watch, ...] = ()
    polling: Polling = Polling()
    delivery: Delivery
    s3: S3 = S3()
    database: Database
    cluster: Cluster = Cluster()
    log: Log = Log()
    http: Http = Http()
    network: Network = Network()
    notify: tuple[Notify, ...] = ()
    heartbeat: Heartbeat = Heartbeat()
    ordering: Ordering = Ordering()
    order: tuple[StandingOrder, ...] = ()

    @property
    def channels(self) -> dict[str, Notify]:
        """The `[[notify]]` tables by the channel's name."""
        names = names_of([(table.kind, table.name) for table in self.notify])
        return dict(zip(names, self.notify, strict=True))


def remarks(settings: Settings) -> list[str]:
    """Return a warning for each valid setting that may not be intended, with its remedy."""
    found = []
    if settings.order and not settings.ordering.enabled:
        found.append("order: [ordering] enabled is false, so no standing order is placed")
    if _open_to_others(settings.http):
        files = " and download every stored file" if settings.http.files else ""
        found.append(
            f"http.listen: anyone who can reach {settings.http.listen} can read all orders{files}; "
            f"set [http] token, or listen on loopback"
        )
    if settings.s3.is_unencrypted:
        found.append("s3.endpoint: http:// leaves deliveries unencrypted on the network; use https://")
    return found


def _open_to_others(http: Http) -> bool:
    if not http.listen or socket_of(http.listen) is not None or http.token.get_secret_value():
        return False
    return not is_loopback(host_and_port(http.listen)[0])
