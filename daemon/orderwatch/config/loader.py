"""Loads the settings from file and environment."""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orderwatch.config.accounts import odd_account, odd_order_ids
from orderwatch.config.environment import PREFIX, overridden, parse_value
from orderwatch.config.notifications import SECRETS, same_names
from orderwatch.config.problems import location_of, problems_of
from orderwatch.config.s3 import odd_roots
from orderwatch.config.secrets import INDIRECT, why_unreadable
from orderwatch.config.settings import FILLED_IN, Settings
from orderwatch.errors import ConfigError

# Alone or in a URL, which cannot contain angle brackets; "<me@example.com>" is an address.
_PLACEHOLDER = re.compile(r"\s*(<[^<>@]+>|[a-z+]+://[^<>]*<[^<>]+>.*)\s*")
_KEYS_WITH_BRACKETS = {
    "project_name",
    "task_name",
    "status",
    "projects",
    "note",
    "command",
}  # brackets may belong to them


def unfilled(value: object, place: str = "") -> Iterator[str]:
    """Yield a problem for each raw value that is still a placeholder in angle brackets."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _KEYS_WITH_BRACKETS:
                yield from unfilled(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from unfilled(inner, f"{place}[{index}]")
    elif isinstance(value, str) and _PLACEHOLDER.fullmatch(value):
        yield f"{place}: is not filled in; replace the text in angle brackets with your value"


_ATTACHMENTS = ("delivery_zip", "footprint", "thumbnail", "preview")  # of telluric
_SELECTORS = ("task_ids", "order_ids", "project_name", "task_name", "placed_after", "status")
_TEXT_ERRORS = {"string_type", "path_type", "literal_error", "value_error"}


def load(
    path: Path, environ: Mapping[str, str] = os.environ, *, resolve: bool = True, credentials: bool = True
) -> Settings:
    """Read the settings. Raises `ConfigError` with every problem.

    With `resolve`, placeholders are errors, secrets are fetched and the folders are tested; commands that
    only read need none of it. Without `credentials`, secrets that only the daemon can read are skipped.
    """
    data = _parsed(path, _text(path))
    context = {"resolve": resolve, "credentials": credentials, "folder": path.absolute().parent}
    return _settings(path, data, environ, context, _readable_secrets(path, data) if resolve else [])


def load_text(path: Path, text: str, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a file that is not written yet, with resolved secrets, as `load` does."""
    context = {"resolve": True, "credentials": True, "folder": path.absolute().parent}
    return _settings(path, _parsed(path, text), environ, context, [])


def _settings(
    path: Path,
    data: dict[str, Any],
    environ: Mapping[str, str],
    context: Mapping[str, object],
    problems: list[str],
) -> Settings:
    for table in FILLED_IN:
        data.setdefault(table, {})
    pointed_to = {text.removeprefix("env:") for _, text in _secrets(data) if text.startswith("env:")}
    values = {
        name: parse_value(text)
        for name, text in environ.items()
        if name.startswith(PREFIX) and name != f"{PREFIX}CONFIG" and name not in pointed_to
    }
    merged, more = overridden(data, values)
    settings, wrong = _validated(merged, context)
    if texts := {name: environ[name] for name in values if _must_be_text(name, values[name], wrong)}:
        merged, more = overridden(data, {**values, **texts})
        settings, wrong = _validated(merged, context)
    problems += [*more, *(unfilled(merged) if context["resolve"] else ()), *_contradictions(merged)]
    problems += [line for details in wrong for line in problems_of(details)]
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


def _must_be_text(name: str, value: object, wrong: Iterable[ErrorDetails]) -> bool:
    """Return whether a variable that looks like a TOML number, date or boolean must be a string."""
    if isinstance(value, str | list | dict):
        return False
    location = name.removeprefix(PREFIX).lower()
    return any(
        details["type"] in _TEXT_ERRORS and "__".join(map(str, location_of(details))).lower() == location
        for details in wrong
    )


def reading_path(given: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file to read: the one given, else $ORDERWATCH_CONFIG, else the default."""
    return Path(given or environ.get(f"{PREFIX}CONFIG") or "/etc/orderwatch/config.toml")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: {why_unreadable(error)}"]) from error
    except UnicodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # huge numbers and deep nesting raise no TOMLDecodeError
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def _readable_secrets(path: Path, data: Mapping[str, Any]) -> list[str]:
    if not path.stat().st_mode & stat.S_IROTH:
        return []
    return [
        f"{location}: is a secret in a file that others can read; "
        f'chmod o-r the file, or point to it with "file:", "env:" or "credential:"'
        for location, text in _secrets(data)
        if not text.startswith(INDIRECT) and not _is_public(location, text)
    ]


def _is_public(location: str, text: str) -> bool:
    is_name = location.endswith((".client_id", ".access_key_id"))
    return is_name or (location == "network.proxy" and "@" not in text)


def _secrets(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every secret as written, literal or pointer, with its key."""
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
        written += [(f"heartbeat.{key}", heartbeat.get(key)) for key in ("url", "fail_url")]
    if isinstance(network := data.get("network"), dict):
        written.append(("network.proxy", network.get("proxy")))
    if isinstance(s3 := data.get("s3"), dict):
        written += [(f"s3.{key}", s3.get(key)) for key in ("access_key_id", "secret_access_key")]
    yield from ((location, text) for location, text in written if isinstance(text, str) and text)


def _contradictions(data: Mapping[str, Any]) -> list[str]:
    """Return conflicts between keys, found in the raw data so that all problems are reported together."""
    problems: list[str] = []
    accounts = dict(_tables(data.get("accounts")))
    for name, account in accounts.items():
        problems += odd_account(f"accounts.{name}", account)
    named = [(key, index, row) for key in ("watch", "order") for index, row in _rows(data.get(key))]
    for key, index, row in named:
        wanted = row.get("account")
        if isinstance(wanted, str) and wanted not in accounts:
            known = ", ".join(sorted(accounts)) or "none"
            problems.append(f"{key}[{index}].account: unknown account {wanted!r}; configured: {known}")
        if key == "order" and accounts.get(str(wanted), {}).get("api") == "stapi":
            problems.append(f'order[{index}].account: api = "stapi" places no orders; remove the table')
    first: dict[str, int] = {}
    for index, order in _rows(data.get("order")):
        names = [order.get(key) for key in ("account", "project_name", "task_name")]
        if None not in names and (before := first.setdefault(str(names), index)) != index:
            problems.append(f"order[{index}].task_name: is also used by order[{before}]; choose another name")
    problems += same_names([*_rows(data.get("notify"))])
    problems += _unknown_attachments(data, accounts)
    problems += odd_roots(data.get("delivery"), _rows(data.get("watch")))
    for index, watch in _rows(data.get("watch")):
        account = accounts.get(str(watch.get("account")), {})
        problems += odd_order_ids(f"watch[{index}]", watch, account)
        if not any(watch.get(key) for key in _SELECTORS):
            problems.append(
                f"watch[{index}]: selects no orders; set {', '.join(_SELECTORS[:-1])} or {_SELECTORS[-1]}"
            )
    return problems


def _unknown_attachments(data: Mapping[str, Any], accounts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names that telluric does not offer, unless an account also uses another API."""
    if any(
        account.get("api") == "stapi"
        or account.get("delivery_api", "telluric") not in ("telluric", ["telluric"])
        for account in accounts.values()
    ):
        return
    tables = [("", data), *((f"watch[{index}].", watch) for index, watch in _rows(data.get("watch")))]
    for location, table in tables:
        delivery = table.get("delivery")
        names = delivery.get("attachments") if isinstance(delivery, dict) else None
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and not any(fnmatchcase(known, name) for known in _ATTACHMENTS):
                choice = ", ".join(f'"{known}"' for known in _ATTACHMENTS)
                yield f"{location}delivery.attachments[{index}]: must be one of: {choice}"


def _tables(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield from ((name, table) for name, table in value.items() if isinstance(table, dict))


def _rows(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    if isinstance(value, list):
        yield from ((index, table) for index, table in enumerate(value) if isinstance(table, dict))
