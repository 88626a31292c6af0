"""Parses durations, sizes and bandwidth timetables."""

import re
from collections.abc import Mapping
from datetime import time, timedelta
from fractions import Fraction

from orderwatch.core.deliveries.bandwidth import Span, overlapping

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MAX_DURATION = timedelta(days=3650)

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(i)?)?B?\s*", re.IGNORECASE)
_POWER = {"K": 1, "M": 2, "G": 3, "T": 4}


def duration(text: object) -> timedelta:
    """Read "250ms", "90s", "5m", "6h", "14d" or "2w"."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('expected a duration such as "90s", "5m", "6h" or "14d"')
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _MAX_DURATION.total_seconds():
        raise ValueError("must be at most ten years")
    if not (length := timedelta(seconds=seconds)):
        raise ValueError("must be longer than 0")
    return length


def size(text: object) -> int:
    """Read "500 MB" (powers of 1000), "5 GiB" (powers of 1024) or "0", in bytes."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('expected a size such as "500 MB", "5 GiB" or "0"')
    base = 1024 if match[3] else 1000
    power = _POWER[match[2].upper()] if match[2] else 0
    return int(Fraction(match[1]) * base**power)


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
    """Parse a time of day from text or a TOML time."""
    if isinstance(value, time):
        return value
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a time of day such as "08:00"')
    return time(int(match[1]), int(match[2]))
