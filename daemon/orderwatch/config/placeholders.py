"""What the example shows in angle brackets, and nobody has filled in yet."""

import re
from collections.abc import Iterator

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
