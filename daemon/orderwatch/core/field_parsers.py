"""The fields of an order as people and their tools write them.

Each reader gives the value, or says by `ValueError` what is wrong and what to do.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime

_LONGEST_NAME = 200  # characters
_LONGEST_AGE = 100
_LONGEST_NOTE = 1000
_LONGEST_SHOWN = 40
_MOST_SHOWN = 10
_MOST = 2**63  # what the database and JSON's readers hold as a number
_WHOLE = re.compile(r"[0-9]{1,19}(\.0+)?")
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, halves of pairs, separators of lines
_NO_ZONE = "has no zone; write 2026-12-01T00:00:00Z or +03:00"


def read_name(value: object) -> str:
    """One line that the provider's list will show as it is."""
    text = _line(value, _LONGEST_NAME)
    if "://" in text:
        raise ValueError("holds a URL, by which the order could not be found again; write a name")
    return text


def read_note(value: object) -> str:
    text = _line(value, _LONGEST_NOTE)
    if "://" in text:
        raise ValueError("holds a URL, which may hold a token; write what it is for")
    return text


def read_whole(value: object) -> int:
    number = whole(value)
    if not number:
        raise ValueError("is no whole number above 0; write it like 169")
    return number


def read_age(value: object) -> str | int | float:
    """What the provider takes as an age: a text or a number, passed on as it is."""
    match value:
        case str():
            return _line(value, _LONGEST_AGE)
        case int() | float() if not isinstance(value, bool) and 0 <= value < _MOST:
            return value
        case _:
            raise ValueError("is neither text nor a number of 0 or more; write it as the provider wants it")


def read_time(value: object) -> datetime:
    """UTC, from ISO 8601 with a zone or from a datetime."""
    moment = _moment(value)
    if moment.tzinfo is None:
        raise ValueError(_NO_ZONE)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar; check the year") from None


def whole(value: object) -> int | None:
    """A whole number, also where it is written as 169.0 or "169"; else None."""
    match value:
        case bool():
            return None
        case int() if 0 <= value < _MOST:
            return value
        case float() if value.is_integer():
            return whole(int(value))
        case str() if _WHOLE.fullmatch(text := value.strip()):
            return whole(int(text.partition(".")[0]))
        case _:
            return None


def unknown_keys(keys: Iterable[str], known: Collection[str]) -> list[str]:
    """A problem for each key that nobody would read."""
    unknown = [key for key in keys if key not in known]
    said = [f"{shown(key)}: is no key of an order; known are {', '.join(known)}" for key in unknown]
    more = len(said) - _MOST_SHOWN
    return [*said[:_MOST_SHOWN], f"and {more} more unknown keys"] if more > 0 else said


def shown(text: str, longest: int = _LONGEST_SHOWN) -> str:
    """The text short and in one line, fit for a message; a URL, which may hold a token, is not shown."""
    if "://" in text:
        return "…"
    line = "".join(c if c.isprintable() else "?" for c in text[: longest + 1])
    return line if len(line) <= longest else f"{line[:longest]}…"


def _line(value: object, longest: int) -> str:
    text = value.strip() if isinstance(value, str) else None
    if text is None:
        raise ValueError("is no text; put it in quotes")
    if not text:
        raise ValueError("is empty; write something")
    if len(text) > longest:
        raise ValueError(f"has {len(text)} characters; write at most {longest}")
    if any(unicodedata.category(c) in _UNWRITABLE for c in text):
        raise ValueError("holds a control character; write plain text in one line")
    return text


def _moment(value: object) -> datetime:
    match value:
        case datetime():
            return value
        case date():
            raise ValueError(_NO_ZONE)
        case str():
            try:
                return datetime.fromisoformat(value.strip())
            except ValueError:
                pass
        case _:
            pass
    raise ValueError("is no time; write it like 2026-12-01T00:00:00Z")


_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2201, 1, 1, tzinfo=UTC)


def plausible(moment: datetime | None) -> datetime | None:
    """Return the aware moment, or None outside 1970 to 2200, such as an unset date of Go (year 1)."""
    return moment if moment is not None and _FIRST <= moment < _END else None
