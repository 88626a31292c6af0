"""Overrides of settings by environment variables."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from orderwatch.config.settings import Settings

PREFIX = "ORDERWATCH_"


def overridden(data: dict[str, Any], values: Mapping[str, object]) -> tuple[dict[str, Any], list[str]]:
    """Override the file with ORDERWATCH_SECTION__KEY variables."""
    problems = []
    for name in sorted(values):
        keys = name.removeprefix(PREFIX).split("__")
        known = keys[0].lower() in Settings.model_fields
        try:
            data = _table_with_value(data, keys, values[name]) if known else data
        except (IndexError, TypeError):
            known = False
        if not known:
            problems.append(f"environment {name}: overrides no known setting{_advice(keys)}")
    return data, problems


def _advice(keys: list[str]) -> str:
    first, *rest = keys
    nearest = get_close_matches(first.lower(), Settings.model_fields, n=1)
    if not nearest or nearest[0] == first.lower():
        return ""
    return f"; did you mean {PREFIX}{'__'.join([nearest[0].upper(), *rest])}?"


def _with_value(into: object, keys: list[str], value: object) -> object:
    """Return a copy of a table or list with one value replaced."""
    if not keys:
        return value
    if isinstance(into, list):
        first, rest = keys[0], keys[1:]
        index = int(first) if first.isdecimal() else len(into)
        return [*into[:index], _with_value(into[index], rest, value), *into[index + 1 :]]
    if not isinstance(into, dict):
        raise TypeError
    return _table_with_value(into, keys, value)


def _table_with_value(into: dict[str, Any], keys: list[str], value: object) -> dict[str, Any]:
    first, rest = keys[0], keys[1:]
    key = next((k for k in into if k.lower() == first.lower()), first.lower())
    return {**into, key: _with_value(into.get(key, {}), rest, value)}


def parse_value(text: str) -> object:
    """Parse a value as TOML, else return it as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
