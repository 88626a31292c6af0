"""Converts searches of the gallery to and from URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from orderwatch.core.model import plausible
from orderwatch.ports.gallery import GallerySearch, Position
from orderwatch.web.row_numbers import number_of

PATH = "/gallery"
_MAX_CHARACTERS = 200
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryAddress:
    """What the URL of a gallery names; `first` and `last` are days, both included."""

    account: str | None = None
    project: str | None = None
    order_id: str | None = None
    first: date | None = None
    last: date | None = None
    after: Position | None = None

    @property
    def narrows(self) -> bool:
        """Whether it filters scenes."""
        return any((self.account, self.project, self.order_id, self.first, self.last))

    def search(self, limit: int) -> GallerySearch:
        return GallerySearch(
            account=self.account,
            project=self.project,
            order_id=self.order_id,
            since=_midnight(self.first) if self.first else None,
            until=_midnight(self.last) + _DAY if self.last else None,
            after=self.after,
            limit=limit,
        )

    def link(self, after: Position | None = None) -> str:
        """Returns the URL of the same scenes, after a position."""
        given = {
            "account": self.account,
            "project": self.project,
            "order": self.order_id,
            "from": self.first,
            "to": self.last,
            "after": f"{after.at.isoformat()}~{after.row}" if after else None,
        }
        named = {name: value for name, value in given.items() if value}
        return f"{PATH}?{urlencode(named)}" if named else PATH


def parse_address(query: Mapping[str, str]) -> GalleryAddress:
    """Returns what a query names; invalid values are ignored, so that every URL shows a page."""
    given = {name: value[:_MAX_CHARACTERS] for name, value in query.items() if value}
    return GalleryAddress(
        account=given.get("account"),
        project=given.get("project"),
        order_id=given.get("order"),
        first=_day(given.get("from", "")),
        last=_day(given.get("to", "")),
        after=_position(given.get("after", "")),
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if plausible(_midnight(day)) else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _position(text: str) -> Position | None:
    at, _, number = text.partition("~")
    row = number_of(number)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    if row is None or moment.tzinfo is None:
        return None
    found = plausible(moment)
    return Position(found, row) if found else None
