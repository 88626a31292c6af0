"""Write configuration.md and config.schema.json from config.example.toml and the types of the settings."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from orderwatch.config import quantities
from orderwatch.config.reference import Section, field_at, read_example
from orderwatch.config.schema import SCHEMA_NAME, schema_text

_HERE = Path(__file__).parent
PAGE = _HERE / "configuration.md"
SCHEMA = _HERE.parent / SCHEMA_NAME
_WORDS = {quantities.duration: "duration", quantities.size: "size"}
_KINDS = {bool: "true or false", int: "number", float: "number", str: "text", list: "list", dict: "table"}
_LIMITS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
_INTRODUCTION = """# Configuration

orderwatch reads one TOML file: `--config`, `$ORDERWATCH_CONFIG`, or `/etc/orderwatch/config.toml`.
`orderwatch check` reports all problems at once. `systemctl reload orderwatch` applies a changed file.
`make docs` generates this page from [config.example.toml](../config.example.toml) and the code.
"""


def page() -> str:
    introduction, sections = read_example()
    parts = [_INTRODUCTION, "\n".join(introduction) + "\n"]
    return "\n".join([*parts, *("\n".join(_shown(s)) + "\n" for s in sections.values() if s.keys)])


def _shown(section: Section) -> Iterator[str]:
    yield f"## `{section.heading}`\n"
    if section.remark:
        yield f"{section.remark[0].upper()}{section.remark[1:].rstrip(' …')}.\n"
    yield "| key | type | default | meaning | environment |\n| --- | --- | --- | --- | --- |"
    for key, (value, remark) in section.keys.items():
        found = field_at(section.path, key)
        variable = "__".join(["ORDERWATCH", *section.path, key]).upper().replace("__", "_", 1)
        meaning, _, stated = remark.partition("default: ")
        default = stated or _default(found, value)
        cells = [f"`{key}`", _type(found, value), default, meaning.rstrip("; "), f"`{variable}`"]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    if section.notes:
        yield "\n" + "\n".join(section.notes)


def _type(found: FieldInfo | None, value: str) -> str:
    literal = tomllib.loads(f"value = {value}")["value"]
    kind = _KINDS.get(type(literal), "date or time")
    if found is None:
        return kind
    if get_origin(found.annotation) is Literal:
        return "one of " + ", ".join(f'`"{word}"`' for word in get_args(found.annotation))
    if found.annotation is SecretStr:
        return "text or pointer"
    words = (_WORDS.get(getattr(m, "func", None)) for m in found.metadata)  # type: ignore[arg-type]
    return next((word for word in words if word), f"{kind}{_range(found)}")


def _range(found: FieldInfo) -> str:
    limits = [(w, getattr(m, name, None)) for m in found.metadata for name, w in _LIMITS.items()]
    return "".join(f" {word} {limit}" for word, limit in limits if limit is not None)


def _default(found: FieldInfo | None, value: str) -> str:
    """Return the value of the example, unless only the operator can know it."""
    if found is None or found.is_required():
        return "required"
    return "none" if "<" in value else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
