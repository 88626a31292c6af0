"""Writes the agenda as a calendar file (RFC 5545), to be subscribed by calendar programs."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from orderwatch.core.agenda.entries import Entry
from orderwatch.core.formatting import printable

CONTENT_TYPE = "text/calendar; charset=utf-8"
_MAX_LINE_OCTETS = 75
_REFRESH_MINUTES = 15
_MAX_SEQUENCE = 2**31 - 1
_REVISION = ("DTSTAMP:", "LAST-MODIFIED:", "SEQUENCE:")
_HEAD = (
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//orderwatch//agenda//EN",
    "CALSCALE:GREGORIAN",
    "NAME:orderwatch",
    "X-WR-CALNAME:orderwatch",
    f"REFRESH-INTERVAL;VALUE=DURATION:PT{_REFRESH_MINUTES}M",
    f"X-PUBLISHED-TTL:PT{_REFRESH_MINUTES}M",
)


class CalendarFile(NamedTuple):
    """A calendar file; `tag` is a digest of what it shows: a poll that changed nothing gives the same."""

    text: str
    tag: str


def calendar(entries: Iterable[Entry]) -> CalendarFile:
    """Returns the calendar: an event for each entry, which blocks no time and keeps its UID."""
    lines = [*_HEAD, *(line for entry in entries for line in _event(entry)), "END:VCALENDAR"]
    shown = "\n".join(line for line in lines if not line.startswith(_REVISION))
    text = "".join(f"{_folded(line)}\r\n" for line in lines)
    return CalendarFile(text, sha256(shown.encode()).hexdigest()[:32])


def _event(entry: Entry) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{_uid(entry)}"
    yield f"DTSTAMP:{_utc(entry.revised_at)}"
    yield f"LAST-MODIFIED:{_utc(entry.revised_at)}"
    yield f"SEQUENCE:{min(entry.revision, _MAX_SEQUENCE)}"
    yield f"DTSTART:{_utc(entry.start)}"
    if entry.end is not None and entry.end - entry.start >= timedelta(seconds=1):
        yield f"DTEND:{_utc(entry.end)}"
    yield f"SUMMARY:{_text(f'{entry.order_name}: {entry.words}')}"
    yield f"DESCRIPTION:{_text(_description(entry))}"
    yield f"CATEGORIES:{_text(entry.kind)}"
    yield f"STATUS:{'CANCELLED' if entry.void else 'TENTATIVE' if entry.tentative else 'CONFIRMED'}"
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _uid(entry: Entry) -> str:
    names = "\0".join((entry.account, entry.order_id, entry.capture_id or ""))
    return f"{entry.kind}-{sha256(names.encode()).hexdigest()[:32]}@orderwatch"


def _description(entry: Entry) -> str:
    facts = {
        "Project": entry.project_name,
        "Order": entry.order_id,
        "Account": entry.account,
        "Capture": entry.capture_id,
        "Satellite": entry.satellite_name,
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items() if value)


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    """Returns escaped text; other control characters than line ends are not allowed in it."""
    marked = printable(value, keep="\n")
    for special in ("\\", ";", ","):
        marked = marked.replace(special, f"\\{special}")
    return marked.replace("\n", "\\n")


def _folded(line: str) -> str:
    """Returns the line in pieces of at most 75 octets; no piece ends within a character."""
    if len(line.encode()) <= _MAX_LINE_OCTETS:
        return line
    pieces, octets = [""], 0
    for character in line:
        size = len(character.encode())
        if octets + size > _MAX_LINE_OCTETS:
            pieces.append(" ")
            octets = 1
        pieces[-1] += character
        octets += size
    return "\r\n".join(pieces)
