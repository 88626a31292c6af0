"""File and environment to settings."""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orderwatch.config.notifications import KINDS, SECRETS, same_names
from orderwatch.config.secrets import INDIRECT, why_unreadable
from orderwatch.config.settings import PROBLEMS_APART, Settings
from orderwatch.core.validation_errors import place, sentence
from orderwatch.errors import ConfigError

# Alone, or as a part of a URL, which has no angle brackets; "<me@example.com>" is an address.
_LEFT = re.compile(r"\s*(<[^<>@]+>|[a-z+]+://[^<>]*<[^<>]+>.*)\s*")
_NAMES = {"project_name", "task_name", "status", "projects", "note", "command"}  # brackets may belong to them


def unfilled(value: object, place: str = "") -> Iterator[str]:
    """Yield a problem for each value of the raw settings that still stands in angle brackets."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NAMES:
                yield from unfilled(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from unfilled(inner, f"{place}[{index}]")
    elif isinstance(value, str) and _LEFT.fullmatch(value):
        yield f"{place}: is not filled in; write your own value in place of what is in angle brackets"


_PREFIX = "ORDERWATCH_"
_RENAMED = {  # keys of configurations written before the first release
    "polling.slowest": "max_interval",
    "delivery.stall": "stall_timeout",
    "delivery.floor": "min_speed",
    "delivery.retry_first": "retry_min",
    "delivery.retry_slowest": "retry_max",
    "ordering.in_all": "max_total",
    "ordering.per_day": "max_per_day",
    "ordering.absent_after": "confirm_lost_after",
}
_CHOOSES = ("task_ids", "project_name", "task_name", "placed_after", "status")
_WANTS_TEXT = {"string_type", "path_type", "literal_error", "value_error"}
_WORDS = {
    "union_tag_invalid": f"must be one of: {', '.join(KINDS)}",
    "union_tag_not_found": "missing",
}


def load(
    path: Path, environ: Mapping[str, str] = os.environ, *, resolve: bool = True, credentials: bool = True
) -> Settings:
    """Read the settings; `ConfigError` holds every problem.

    With `resolve`, nothing may be left to fill in, secrets are fetched and the destination is tried;
    commands that only read need none of it.
    Without `credentials`, those secrets are left that only the service manager's own process can read.
    """
    context = {"resolve": resolve, "credentials": credentials, "folder": path.absolute().parent}
    data, problems = _file(path)
    if resolve:
        problems += _readable_secrets(path, data)
    for table in ("delivery", "database"):
        data.setdefault(table, {})  # its default place has to be tried like any other
    pointed_to = {text.removeprefix("env:") for _, text in _secrets(data) if text.startswith("env:")}
    values = {
        name: _value(text)
        for name, text in environ.items()
        if name.startswith(_PREFIX) and name != f"{_PREFIX}CONFIG" and name not in pointed_to
    }
    laid, more = _overridden(data, values)
    settings, wrong = _validated(laid, context)
    if texts := {name: environ[name] for name in values if _is_text_after_all(name, values[name], wrong)}:
        laid, more = _overridden(data, {**values, **texts})
        settings, wrong = _validated(laid, context)
    problems += [*more, *(unfilled(laid) if resolve else ()), *_contradictions(laid)]
    problems += [line for details in wrong for line in _problems(details)]
    if settings is None or problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    return settings


def _validated(
    data: dict[str, Any], context: Mapping[str, object]
) -> tuple[Settings | None, list[ErrorDetails]]:
    try:
        return Settings.model_validate(data, context=context), []
    except ValidationError as error:
        return None, error.errors(include_input=False, include_url=False)


def _is_text_after_all(name: str, value: object, wrong: Iterable[ErrorDetails]) -> bool:
    """A variable whose text looks like a TOML number, date or boolean, where a text is wanted."""
    if isinstance(value, str | list | dict):
        return False
    where = name.removeprefix(_PREFIX).lower()
    return any(
        details["type"] in _WANTS_TEXT and "__".join(map(str, _place(details))).lower() == where
        for details in wrong
    )


def reading_path(given: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Which file to read: the one named, else $ORDERWATCH_CONFIG, else the usual one."""
    return Path(given or environ.get(f"{_PREFIX}CONFIG") or "/etc/orderwatch/config.toml")


def _file(path: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except OSError as error:
        raise ConfigError([f"{path}: {why_unreadable(error)}"]) from error
    except UnicodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    except (ValueError, RecursionError) as error:  # numbers and nesting without end are no TOMLDecodeError
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def _readable_secrets(path: Path, data: Mapping[str, Any]) -> list[str]:
    if not path.stat().st_mode & stat.S_IROTH:
        return []
    return [
        f"{where}: stands here in a file that others can read; "
        f'chmod o-r the file, or point to it with "file:", "env:" or "credential:"'
        for where, text in _secrets(data)
        if not text.startswith(INDIRECT) and not where.endswith(".client_id")
    ]


def _secrets(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every secret as it is written, literally or pointing elsewhere, and where it stands."""
    written = [
        (f"accounts.{name}.{key}", account.get(key))
        for name, account in _tables(data.get("accounts"))
        for key in ("client_id", "client_secret")
    ]
    written += [
        (f"notify[{index}].{key}", channel.get(key))
        for index, channel in _rows(data.get("notify"))
        for key in SECRETS
    ]
    if isinstance(http := data.get("http"), dict):
        written.append(("http.token", http.get("token")))
    if isinstance(heartbeat := data.get("heartbeat"), dict):
        written.append(("heartbeat.url", heartbeat.get("url")))
    yield from ((where, text) for where, text in written if isinstance(text, str) and text)


def _contradictions(data: Mapping[str, Any]) -> list[str]:
    """What two keys say against each other; looked for in the raw data, beside every other problem."""
    problems = []
    accounts = dict(_tables(data.get("accounts")))
    for name, account in accounts.items():
        legacy = account.get("credentials", "platform") == "legacy"
        if legacy and "contract_id" in account:
            problems.append(f"accounts.{name}.contract_id: legacy credentials have no contract; remove it")
        if not legacy and "contract_id" not in account:
            problems.append(f"accounts.{name}.contract_id: missing; platform credentials need one")
    named = [(key, index, row) for key in ("watch", "order") for index, row in _rows(data.get(key))]
    for key, index, row in named:
        wanted = row.get("account")
        if isinstance(wanted, str) and wanted not in accounts:
            known = ", ".join(sorted(accounts)) or "none"
            problems.append(f"{key}[{index}].account: there is no account {wanted!r}; known: {known}")
    first: dict[str, int] = {}
    for index, order in _rows(data.get("order")):
        names = [order.get(key) for key in ("account", "project_name", "task_name")]
        if None not in names and (before := first.setdefault(str(names), index)) != index:
            problems.append(f"order[{index}].task_name: is that of order[{before}] too; give it another one")
    problems += same_names([*_rows(data.get("notify"))])
    for index, watch in _rows(data.get("watch")):
        if not any(watch.get(key) for key in _CHOOSES):
            problems.append(
                f"watch[{index}]: names no orders; give {', '.join(_CHOOSES[:-1])} or {_CHOOSES[-1]}"
            )
    return problems


def _tables(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield from ((name, table) for name, table in value.items() if isinstance(table, dict))


def _rows(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    if isinstance(value, list):
        yield from ((index, table) for index, table in enumerate(value) if isinstance(table, dict))


def _overridden(data: dict[str, Any], values: Mapping[str, object]) -> tuple[dict[str, Any], list[str]]:
    """Lay ORDERWATCH_SECTION__KEY over the file."""
    problems = []
    for name in sorted(values):
        keys = name.removeprefix(_PREFIX).split("__")
        known = keys[0].lower() in Settings.model_fields
        try:
            data = _table_laid_over(data, keys, values[name]) if known else data
        except (IndexError, TypeError):
            known = False
        if not known:
            problems.append(f"environment {name}: there is nothing of that name to override")
    return data, problems


def _laid_over(into: object, keys: list[str], value: object) -> object:
    """A copy of a table or list in which the key's value is replaced."""
    if not keys:
        return value
    if isinstance(into, list):
        first, rest = keys[0], keys[1:]
        index = int(first) if first.isdecimal() else len(into)
        return [*into[:index], _laid_over(into[index], rest, value), *into[index + 1 :]]
    if not isinstance(into, dict):
        raise TypeError
    return _table_laid_over(into, keys, value)


def _table_laid_over(into: dict[str, Any], keys: list[str], value: object) -> dict[str, Any]:
    first, rest = keys[0], keys[1:]
    key = next((k for k in into if k.lower() == first.lower()), first.lower())
    return {**into, key: _laid_over(into.get(key, {}), rest, value)}


def _value(text: str) -> object:
    """Read as TOML, else taken as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _place(details: ErrorDetails) -> tuple[int | str, ...]:
    """As an operator would say it; of a channel pydantic names the kind behind the index."""
    place = details["loc"]
    return (*place[:2], *place[3:]) if place[0] == "notify" else place


def _problems(details: ErrorDetails) -> Iterator[str]:
    where = place(_place(details))
    if details["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        where += ".kind"
    if details["type"] == "extra_forbidden" and where in _RENAMED:
        yield f"{where}: unknown key; it is {_RENAMED[where]} now"
        return
    message = _WORDS.get(details["type"]) or sentence(details["type"], details["msg"], details.get("ctx", {}))
    if details["loc"][0] == "order" and details["type"] == "value_error":
        yield from (f"{where}.{problem}" for problem in message.split(PROBLEMS_APART))
    else:
        yield f"{where}: {message}"
