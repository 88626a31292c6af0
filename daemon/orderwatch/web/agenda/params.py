"""Converts what the page of the agenda shows to and from URLs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from orderwatch.core.agenda.month import FIRST_MONTH, LAST_MONTH, day_period, month_period
from orderwatch.ports.agenda import Period

_MAX_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """A month, or a `day` of it, of one account or project or of all."""

    month: date
    day: date | None = None
    account: str | None = None
    project: str | None = None

    @property
    def period(self) -> Period:
        since, until = day_period(self.day) if self.day else month_period(self.month)
        return Period(since=since, until=until, account=self.account, project=self.project, throughout=False)

    def link(self, month: date | None = None, day: date | None = None) -> str:
        """Returns the address of another month or day with the same filters."""
        when = {"day": day.isoformat()} if day else {"month": f"{month:%Y-%m}"} if month else {}
        return _address("/agenda", {**when, **self._filters})

    @property
    def feed(self) -> str:
        """The address of the calendar file with the same filters."""
        return _address("/calendar.ics", self._filters)

    @property
    def _filters(self) -> dict[str, str]:
        given = {"account": self.account, "project": self.project}
        return {name: value for name, value in given.items() if value}


def shown_of(query: Mapping[str, str], today: date) -> Shown:
    """Returns what a query shows; invalid values are ignored, so that every URL shows a page."""
    given = {name: value[:_MAX_CHARACTERS] for name, value in query.items() if value and "\0" not in value}
    day = _date(given.get("day", ""))
    month = (day or _date(f"{given.get('month', '')}-01") or today).replace(day=1)
    shown = Shown(month, day, given.get("account"), given.get("project"))
    is_shown = FIRST_MONTH <= month <= LAST_MONTH
    return shown if is_shown else replace(shown, month=today.replace(day=1), day=None)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _address(path: str, given: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(given)}" if given else path
