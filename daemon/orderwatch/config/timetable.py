"""A limit on the bandwidth as an operator writes it: one for always, or by the time of day."""

import re
from collections.abc import Mapping
from datetime import time

from orderwatch.config.units import size
from orderwatch.core.bandwidth import Span, overlapping

_KEYS = {"from", "to", "limit"}
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_MIDNIGHT = time()


def timetable(value: object) -> tuple[Span, ...]:
    """Read "5 MB", or a list of tables such as {from = "08:00", to = "18:00", limit = "5 MB"}."""
    if not isinstance(value, list):
        limit = size(value)
        return (Span(_MIDNIGHT, _MIDNIGHT, limit),) if limit else ()
    spans = tuple(map(_span, value))
    if clashes := overlapping(spans):
        raise ValueError("; ".join(f"{a} and {b} overlap" for a, b in clashes))
    return spans


def _span(row: object) -> Span:
    if not isinstance(row, Mapping) or set(row) != _KEYS:
        raise ValueError('each span must be a table such as {from = "08:00", to = "18:00", limit = "5 MB"}')
    end = _MIDNIGHT if row["to"] == "24:00" else _time(row["to"])
    return Span(_time(row["from"]), end, size(row["limit"]))


def _time(value: object) -> time:
    """A time of day as text, or as TOML has it."""
    if isinstance(value, time):
        return value
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a time of day such as "08:00"')
    return time(int(match[1]), int(match[2]))
