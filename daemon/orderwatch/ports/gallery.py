"""Stored scenes with pictures, newest first, and the stored files of an order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from orderwatch.core.model import Delivery


class Position(NamedTuple):
    """Where a page ends: the scene taken at this time, whose picture has this row."""

    at: datetime
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GallerySearch:
    """Scenes taken from `since` on and before `until`; None matches any. The page begins after a position."""

    account: str | None = None
    project: str | None = None
    order_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: Position | None = None
    limit: int = 60


class PicturedScene(NamedTuple):
    """A scene by its smallest picture of the newest version, and all its stored files."""

    position: Position
    picture: Delivery
    files: Sequence[Delivery]
    task_name: str | None
    project_name: str | None
    satellite_name: str | None


class StoredPage(NamedTuple):
    """Stored deliveries of an order; the next page begins after this row, None on the last page."""

    files: Sequence[Delivery]
    last: int | None


class Gallery(Protocol):
    """Pages of what is stored. Raises `DatabaseError`."""

    async def page(self, search: GallerySearch) -> Sequence[PicturedScene]:
        """Return at most `limit` scenes, the newest first."""
        ...

    async def files(self, account: str, order_id: str, after: int, limit: int) -> StoredPage:
        """Return the stored deliveries of an order after this row, in the order of queueing."""
        ...
