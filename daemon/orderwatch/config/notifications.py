"""Notification channels: one table each, of one of several kinds."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StrictBool, StrictInt, model_validator

from orderwatch.config.types import (
    Duration,
    MaybeSecret,
    MaybeSecretUrl,
    Pattern,
    Secret,
    SecretUrl,
    Table,
    Words,
    one_or_more,
)
from orderwatch.core.network import is_loopback
from orderwatch.core.notifications.events import EVENTS
from orderwatch.core.notifications.mailbox import mailbox_problem

SECRETS = ("url", "secret", "password")  # of a channel


def _known_events(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not any(fnmatchcase(event, pattern) for event in EVENTS):
            raise ValueError(f"{pattern!r} matches no event; known events: {', '.join(EVENTS)}")
    return patterns


def _program(command: tuple[str, ...]) -> tuple[str, ...]:
    if not Path(command[0]).is_absolute():
        raise ValueError("must start with the absolute path of a program")
    return command


def _mailbox(text: str) -> str:
    if problem := mailbox_problem(text):
        raise ValueError(problem)
    return text


def _installed(kind: str) -> str:
    if importlib.util.find_spec(kind) is None:
        raise ValueError("is not installed; run: pip install 'orderwatch[apprise]'")
    return kind


Mailbox = Annotated[str, AfterValidator(_mailbox)]


class _Channel(Table):
    name: Annotated[str, Field(pattern=r"^[\w.-]*$")] = ""
    events: Annotated[Words, AfterValidator(_known_events)] = (
        "capture.changed",
        "delivery.stored",
        "order.done",
        "problem.*",
        "attention.*",
    )
    projects: Words = ("*",)
    batch: Duration = timedelta(seconds=1)


class Webhook(_Channel):
    kind: Literal["webhook"]
    url: SecretUrl
    secret: MaybeSecret = SecretStr("")
    allow_private: StrictBool = False


class Command(_Channel):
    kind: Literal["command"]
    command: Annotated[tuple[Pattern, ...], Field(min_length=1), AfterValidator(_program)]
    timeout: Duration = timedelta(seconds=30)


class Email(_Channel):
    kind: Literal["email"]
    host: Pattern
    port: Annotated[StrictInt, Field(ge=1, lt=2**16)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: MaybeSecret = SecretStr("")
    sender: Mailbox
    to: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_more), Field(min_length=1)]

    @model_validator(mode="after")
    def _protects_the_password(self) -> "Email":
        if self.tls == "none" and not is_loopback(self.host):
            raise ValueError('tls = "none" is allowed only for a mail server on this host')
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("set both user and password, or neither")
        return self


class Apprise(_Channel):
    kind: Annotated[Literal["apprise"], AfterValidator(_installed)]
    url: Secret


Notify = Annotated[Webhook | Command | Email | Apprise, Field(discriminator="kind")]
KINDS = ("webhook", "command", "email", "apprise")


class Heartbeat(Table):
    url: MaybeSecretUrl = SecretStr("")
    fail_url: MaybeSecretUrl = SecretStr("")
    allow_private: StrictBool = False

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if self.fail_url.get_secret_value() and self.fail_url == self.url:
            raise ValueError("fail_url must differ from url")
        return self


def names_of(channels: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield channel names from kind and name of each; one without a name is "webhook" or "webhook-2"."""
    seen: dict[str, int] = {}
    for kind, name in channels:
        seen[kind] = number = seen.get(kind, 0) + 1
        yield name or (kind if number == 1 else f"{kind}-{number}")


def same_names(rows: Sequence[tuple[int, Mapping[str, object]]]) -> Iterator[str]:
    """Yield a problem for each duplicate channel name in the raw data."""
    named = [(index, row.get("kind"), row.get("name", "")) for index, row in rows]
    texts = [(i, kind, name) for i, kind, name in named if isinstance(kind, str) and isinstance(name, str)]
    first: dict[str, int] = {}
    for (index, _, _), name in zip(texts, names_of([(k, n) for _, k, n in texts]), strict=True):
        if (before := first.setdefault(name, index)) != index:
            yield f"notify[{index}].name: {name!r} is also used by notify[{before}]; choose another name"
