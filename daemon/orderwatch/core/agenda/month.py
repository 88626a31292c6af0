"""The agenda as a month of days."""

from calendar import Calendar
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from orderwatch.core.agenda.entries import Entry, EntryKind

FIRST_MONTH, LAST_MONTH = date(1970, 2, 1), date(2200, 11, 1)
_DAY = timedelta(days=1)


class Moment(NamedTuple):
    """What happens at a time: a window opens or closes, or another entry begins."""

    at: datetime
    words: str
    entry: Entry


class Day(NamedTuple):
    """A day in UTC; it is `outside` if it only completes a week of the month."""

    date: date
    moments: Sequence[Moment]
    outside: bool


def day_period(day: date) -> tuple[datetime, datetime]:
    """Returns the begin of a day, and of the next one."""
    begin = datetime.combine(day, time(), UTC)
    return begin, begin + _DAY


def month_period(month: date) -> tuple[datetime, datetime]:
    """Returns the begin of the first week of a month, and of the week after its last one."""
    weeks = Calendar().monthdatescalendar(month.year, month.month)
    return day_period(weeks[0][0])[0], day_period(weeks[-1][-1])[1]


def weeks_of(month: date, entries: Iterable[Entry]) -> list[list[Day]]:
    """Returns the weeks of a month, from Monday to Sunday, with what happens on each day."""
    by_day: defaultdict[date, list[Moment]] = defaultdict(list)
    for moment in moments_of(entries, *month_period(month)):
        by_day[moment.at.astimezone(UTC).date()].append(moment)
    weeks = Calendar().monthdatescalendar(month.year, month.month)
    return [[Day(day, by_day.get(day, ()), day.month != month.month) for day in week] for week in weeks]


def moments_of(entries: Iterable[Entry], since: datetime, until: datetime) -> list[Moment]:
    """Returns what happens within the period, in the order of time."""
    found = [moment for entry in entries for moment in _moments(entry) if since <= moment.at < until]
    return sorted(found, key=lambda moment: moment.at)


def neighbours(month: date) -> tuple[date | None, date | None]:
    """Returns the month before and after, None beyond what is shown."""
    before = (month - _DAY).replace(day=1)
    after = (month + 31 * _DAY).replace(day=1)
    return (before if before >= FIRST_MONTH else None, after if after <= LAST_MONTH else None)


def _moments(entry: Entry) -> Iterator[Moment]:
    if entry.kind is not EntryKind.WINDOW:
        yield Moment(entry.start, entry.words, entry)
        return
    state = f", {entry.state}" if entry.void else ""
    yield Moment(entry.start, f"window opens{state}", entry)
    if entry.end is not None:
        yield Moment(entry.end, f"window closes{state}", entry)
