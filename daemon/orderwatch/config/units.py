"""Durations and sizes as an operator writes them."""

import re
from datetime import timedelta
from fractions import Fraction

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = timedelta(days=3650)

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(i)?)?B?\s*", re.IGNORECASE)
_POWER = {"K": 1, "M": 2, "G": 3, "T": 4}


def duration(text: object) -> timedelta:
    """Read "250ms", "90s", "5m", "6h", "14d" or "2w"."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('expected a duration such as "90s", "5m", "6h" or "14d"')
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError("longer than ten years")
    if not (length := timedelta(seconds=seconds)):
        raise ValueError("must be longer than nothing")
    return length


def size(text: object) -> int:
    """Read "500 MB" (powers of 1000), "5 GiB" (powers of 1024) or "0", in bytes."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError('expected a size such as "500 MB", "5 GiB" or "0"')
    base = 1024 if match[3] else 1000
    power = _POWER[match[2].upper()] if match[2] else 0
    return int(Fraction(match[1]) * base**power)
