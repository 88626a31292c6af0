"""Write configuration.md from the comments of config.example.toml and the types of the settings."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from orderwatch.config import Settings, quantities

_HERE = Path(__file__).parent
PAGE = _HERE / "configuration.md"
EXAMPLE = _HERE.parent / "config.example.toml"
_TABLE = re.compile(r"(?:# )?(\[+)([\w.]+)\]+(?:\s+# (.*))?")
_KEY = re.compile(r"(?:# )?(\w+) = (.*?)\s+# (.*)")
_WORDS = {quantities.duration: "duration", quantities.size: "size"}
_KINDS = {bool: "true or false", int: "number", float: "number", str: "text", list: "list", dict: "table"}
_LIMITS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
_INTRODUCTION = """# Configuration

orderwatch reads one TOML file: `--config`, `$ORDERWATCH_CONFIG`, or `/etc/orderwatch/config.toml`.
`orderwatch check` reports all problems at once. `systemctl reload orderwatch` applies a changed file.
`make docs` generates this page from [config.example.toml](../config.example.toml) and the code.
"""


@dataclass
class Section:
    """A table of the example: its heading, its comment, its keys, and other comments."""

    heading: str
    path: list[str]
    remark: str
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # the value shown, the comment
    notes: list[str] = field(default_factory=list)


def page() -> str:
    introduction, sections = _read(EXAMPLE.read_text(encoding="utf-8"))
    parts = [_INTRODUCTION, "\n".join(introduction) + "\n"]
    return "\n".join([*parts, *("\n".join(_shown(s)) + "\n" for s in sections.values() if s.keys)])


def _read(text: str) -> tuple[list[str], dict[str, Section]]:
    introduction: list[str] = []
    sections: dict[str, Section] = {}
    section = None
    for line in filter(None, text.splitlines()):
        if match := _TABLE.fullmatch(line):
            brackets, name, remark = match.groups()
            heading = f"{brackets}{name}{brackets.replace('[', ']')}"
            first, *rest = name.split(".")
            path = [first, *(["0"] if _is_list(first) else []), *rest]
            section = sections.setdefault(heading, Section(heading, path, remark or ""))
        elif section is None:
            introduction.append(line.removeprefix("#").removeprefix(" "))
        elif match := _KEY.fullmatch(line):
            section.keys.setdefault(match[1], (match[2], match[3]))
        elif (note := line.removeprefix("# "))[0].islower():  # continues the key above
            key, (value, remark) = section.keys.popitem()
            section.keys[key] = (value, f"{remark}; {note}")
        else:
            section.notes.append(note)
    return introduction, sections


def _is_list(name: str) -> bool:
    return get_origin(Settings.model_fields[name].annotation) is tuple


def _shown(section: Section) -> Iterator[str]:
    yield f"## `{section.heading}`\n"
    if section.remark:
        yield f"{section.remark[0].upper()}{section.remark[1:].rstrip(' …')}.\n"
    yield "| key | type | default | meaning | environment |\n| --- | --- | --- | --- | --- |"
    for key, (value, remark) in section.keys.items():
        found = _field(section.path, key)
        variable = "__".join(["ORDERWATCH", *section.path, key]).upper().replace("__", "_", 1)
        meaning, _, stated = remark.partition("default: ")
        default = stated or _default(found, value)
        cells = [f"`{key}`", _type(found, value), default, meaning.rstrip("; "), f"`{variable}`"]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    if section.notes:
        yield "\n" + "\n".join(section.notes)


def _field(path: list[str], key: str) -> FieldInfo | None:
    """Return the setting of a key, or None if the table has no model."""
    found: list[type[BaseModel]] = [Settings]
    for name in path:
        if any(name in model.model_fields for model in found):
            inner = (m.model_fields[name].annotation for m in found if name in m.model_fields)
            found = [model for annotation in inner for model in _models(annotation)]
    return next((model.model_fields[key] for model in found if key in model.model_fields), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


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
