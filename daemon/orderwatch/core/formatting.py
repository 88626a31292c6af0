"""Formats durations, sizes and names for people."""

from datetime import datetime, timedelta
from itertools import pairwise

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def format_duration(length: timedelta) -> str:
    """Returns the two largest units, never rounded up: "3 h 10 min", "4.2 s", "40 ms"."""
    if length < _SECOND:
        milliseconds = max(length, timedelta(0)) // timedelta(milliseconds=1)
        return f"{milliseconds} ms" if milliseconds else "0 s"
    if length < 10 * _SECOND:
        seconds, tenths = divmod(length // timedelta(milliseconds=100), 10)
        return f"{seconds}.{tenths} s" if tenths else f"{seconds} s"
    rest = length // _SECOND
    for (unit, name), (finer, its_name) in pairwise(_UNITS):
        if rest >= unit:
            more = rest % unit // finer
            return f"{rest // unit} {name} {more} {its_name}" if more else f"{rest // unit} {name}"
    return f"{rest} s"


def ago(time: datetime, now: datetime | None) -> str:
    """Returns how long ago a time was, or the time itself if `now` is None."""
    if now is None:
        return format_time(time)
    return f"{_roughly(now - time)} ago" if now - time >= _SECOND else "just now"


def until(time: datetime, now: datetime | None) -> str:
    """Returns how long it is until a planned time, or the time itself if `now` is None."""
    if now is None:
        return format_time(time)
    if now - time >= _MINUTE:
        return f"due {_roughly(now - time)} ago"
    return f"in {_roughly(time - now)}" if time - now >= _SECOND else "now"


def format_time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _roughly(length: timedelta) -> str:
    """Returns the duration, without seconds from a minute on."""
    return format_duration(length - length % (_MINUTE if length >= _MINUTE else _SECOND))


_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def format_bytes(size: float | None) -> str:
    """Returns a size in powers of 1000: "812 B", "1.4 GB"; an empty text for None."""
    if size is None:
        return ""
    unit = 0
    while round(size, min(unit, 1)) >= _THOUSAND and unit < len(_BYTE_UNITS) - 1:
        size, unit = size / _THOUSAND, unit + 1
    return f"{size:.0f} {_BYTE_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_BYTE_UNITS[unit]}"


def format_bytes_pair(one: int, other: int | None) -> tuple[str, str]:
    """Returns two sizes to compare, to the byte if different ones would look the same."""
    pair = format_bytes(one), format_bytes(other) or "an unknown size"
    return (f"{one} B", f"{other} B") if pair[0] == pair[1] and one != other else pair


def printable(text: str, keep: str = "") -> str:
    """Returns the text with a visible mark for each control character, which could drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def escape_name(name: str) -> str:
    """Returns a file's name as valid text, with numbers for bytes that are not UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
