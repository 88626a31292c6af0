"""Remembers smaller pages for lists whose full pages fail."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger()

PAGE_ROWS = 100
MIN_PAGE_ROWS = 10
REMEMBER_SECONDS = 6 * 3600.0  # then a full page is requested again


@dataclass(slots=True)
class _Limit:
    """A lowered limit, valid `until` (monotonic seconds); `logged` once it has worked."""

    rows: int
    until: float
    logged: bool = False


class PageLimits:
    """Limits of one account's lists. A list is named by API and kind: `tasking tasks`."""

    def __init__(self, account: str, monotonic: Callable[[], float]) -> None:
        self._account = account
        self._monotonic = monotonic
        self._limits: dict[str, _Limit] = {}
        self._odd: set[tuple[str, str]] = set()

    def limit(self, name: str, full: int = PAGE_ROWS) -> int:
        """Return how many rows to request per page, at most a `full` page."""
        held = self._held(name)
        return full if held is None else min(full, held.rows)

    def _held(self, name: str) -> _Limit | None:
        held = self._limits.get(name)
        return held if held and self._monotonic() < held.until else None

    def lower(self, name: str, failed: int) -> bool:
        """Halve the limit after a page of `failed` rows failed; returns False if it is the minimum."""
        if failed <= MIN_PAGE_ROWS:
            return False
        held = self._held(name)
        if held is None or held.rows >= failed:  # otherwise another request has lowered it already
            self._limits[name] = _Limit(max(MIN_PAGE_ROWS, failed // 2), self._monotonic() + REMEMBER_SECONDS)
        return True

    def forget(self, name: str, failed: int) -> None:
        """Return to full pages, because the smallest page failed too."""
        held = self._held(name)
        if held is not None and held.rows == failed:
            del self._limits[name]

    def on_success(self, name: str) -> None:
        """Log once the limit that made a list readable."""
        held = self._limits.get(name)
        if held and not held.logged:
            held.logged = True
            log.info("list.limited", account=self._account, list=name, rows=held.rows)

    def log_odd(self, name: str, reason: str, *, pages: int, count: int | None) -> None:
        """Log an oddity of a list once."""
        if (name, reason) not in self._odd:
            self._odd.add((name, reason))
            log.warning("list.odd", account=self._account, list=name, reason=reason, pages=pages, count=count)
