"""Describes every key: the comments of config.example.toml beside the models of the settings."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orderwatch.config.settings import Settings
from orderwatch.packaged import read_packaged

_TABLE = re.compile(r"(?:# )?(\[+)([\w.]+)\]+(?:\s+# (.*))?")
_KEY = re.compile(r"(?:# )?(\w+) = (.*?)\s+# (.*)")
_DIRECTIVE = "#:"  # for editors


@dataclass
class Section:
    """A table of the example: its heading, its comment, its keys, and other comments."""

    heading: str
    path: list[str]
    remark: str
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # the value shown, the comment
    notes: list[str] = field(default_factory=list)


@cache
def read_example() -> tuple[list[str], Mapping[str, Section]]:
    """Return the introduction of the example, and its tables by heading."""
    introduction: list[str] = []
    sections: dict[str, Section] = {}
    section = None
    for line in filter(None, read_packaged("config.example.toml").splitlines()):
        if match := _TABLE.fullmatch(line):
            brackets, name, remark = match.groups()
            heading = f"{brackets}{name}{brackets.replace('[', ']')}"
            first, *rest = name.split(".")
            path = [first, *(["0"] if _is_list(first) else []), *rest]
            section = sections.setdefault(heading, Section(heading, path, remark or ""))
        elif section is None:
            introduction += [] if line.startswith(_DIRECTIVE) else [line.removeprefix("#").removeprefix(" ")]
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


def models_at(path: Collection[int | str]) -> list[type[BaseModel]]:
    """Return the models of a table: one for each kind of a channel, none for a standing order."""
    found: list[type[BaseModel]] = [Settings]
    for name in path:
        if any(name in model.model_fields for model in found):
            inner = (m.model_fields[str(name)].annotation for m in found if name in m.model_fields)
            found = [model for annotation in inner for model in _models(annotation)]
    return found


def field_at(path: Collection[int | str], key: str) -> FieldInfo | None:
    """Return the setting of a key, or None if the table has no model."""
    return next((m.model_fields[key] for m in models_at(path) if key in m.model_fields), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def nearest_key(path: Collection[int | str], key: str) -> str | None:
    """Return the most similar key of the same table, else the table of another that has exactly this key."""
    siblings = {name for model in models_at(path) for name in model.model_fields}
    if similar := get_close_matches(key, sorted(siblings), n=1):
        return similar[0]
    _, sections = read_example()
    headings = [section.heading for section in sections.values() if key in section.keys]
    return f"{key} of {headings[0]}" if len(headings) == 1 else None
