"""Parsers of the fields of an order, as people and their tools write them.

Each returns the value, or raises `ValueError` with what is wrong and what to do.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from difflib import get_close_matches

_MAX_NAME_CHARACTERS = 200
_MAX_AGE_CHARACTERS = 100
_MAX_NOTE_CHARACTERS = 1000
_MAX_SHOWN_CHARACTERS = 40
_MAX_SHOWN_KEYS = 10
_INTEGER_LIMIT = 2**63  # of the database and of JSON parsers
_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}(\.0+)?")
_RIGHT_ANGLE = 90
_DURATION = re.compile(
    r"P(?=[0-9T])([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,4}W)?([0-9]{1,4}D)?"
    r"(T(?=[0-9])([0-9]{1,4}H)?([0-9]{1,4}M)?([0-9]{1,4}S)?)?"
)
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, surrogates, line separators
_NO_ZONE = "has no time zone; write 2026-12-01T00:00:00Z or +03:00"


def read_name(value: object) -> str:
    """Returns a name in one line, which the provider's list shows unchanged."""
    text = _line(value, _MAX_NAME_CHARACTERS)
    if "://" in text:
        raise ValueError("must not contain a URL, or the order could not be found again; write a name")
    return text


def read_note(value: object) -> str:
    text = _line(value, _MAX_NOTE_CHARACTERS)
    if "://" in text:
        raise ValueError("must not contain a URL, which may hold a token; write plain text")
    return text


def read_whole(value: object) -> int:
    number = whole(value)
    if not number:
        raise ValueError("must be a positive integer, e.g. 169")
    return number


def read_age(value: object) -> str | int | float:
    """Returns an age, a text or number that is passed on unchanged."""
    match value:
        case str():
            return _line(value, _MAX_AGE_CHARACTERS)
        case int() | float() if not isinstance(value, bool) and 0 <= value < _INTEGER_LIMIT:
            return value
        case _:
            raise ValueError("must be text or a number of 0 or more, as the provider expects it")


def read_degrees(value: object) -> int | float:
    """Returns an angle from 0 to 90 degrees; 25.0 is 25."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _RIGHT_ANGLE:
        raise ValueError("must be a number of degrees from 0 to 90")
    return int(value) if value == int(value) else value


def read_duration(value: object) -> str:
    """Returns a duration of ISO 8601 in capitals."""
    text = value.strip().upper() if isinstance(value, str) else ""
    if not _DURATION.fullmatch(text) or not re.search("[1-9]", text):
        raise ValueError("must be a duration, e.g. P7D or PT12H")
    return text


def read_time(value: object) -> datetime:
    """Returns a time in UTC, from ISO 8601 with a time zone or from a datetime."""
    moment = _moment(value)
    if moment.tzinfo is None:
        raise ValueError(_NO_ZONE)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is outside the calendar; check the year") from None


def whole(value: object) -> int | None:
    """Returns a whole number, also from 169.0 or "169"; None for anything else."""
    match value:
        case bool():
            return None
        case int() if 0 <= value < _INTEGER_LIMIT:
            return value
        case float() if value.is_integer():
            return whole(int(value))
        case str() if _WHOLE_NUMBER.fullmatch(text := value.strip()):
            return whole(int(text.partition(".")[0]))
        case _:
            return None


def unknown_keys(keys: Iterable[str], known: Collection[str]) -> list[str]:
    """Returns a problem for each unknown key."""
    unknown = [key for key in keys if key not in known]
    problems = [f"{shown(key)}: unknown key; {_advice(key, known)}" for key in unknown]
    more = len(problems) - _MAX_SHOWN_KEYS
    return [*problems[:_MAX_SHOWN_KEYS], f"and {more} more unknown keys"] if more > 0 else problems


def _advice(key: str, known: Collection[str]) -> str:
    nearest = get_close_matches(key, known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"


def shown(text: str, longest: int = _MAX_SHOWN_CHARACTERS) -> str:
    """Returns the text short and in one line, for a message; without URLs, which may hold tokens."""
    if "://" in text:
        return "…"
    line = "".join(c if c.isprintable() else "?" for c in text[: longest + 1])
    return line if len(line) <= longest else f"{line[:longest]}…"


def _line(value: object, longest: int) -> str:
    text = value.strip() if isinstance(value, str) else None
    if text is None:
        raise ValueError("must be a string; quote it")
    if not text:
        raise ValueError("must not be empty")
    if len(text) > longest:
        raise ValueError(f"has {len(text)} characters; write at most {longest}")
    if any(unicodedata.category(c) in _UNWRITABLE for c in text):
        raise ValueError("contains a control character; write plain text in one line")
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
    raise ValueError("must be a time, e.g. 2026-12-01T00:00:00Z")
