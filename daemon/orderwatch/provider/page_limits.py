"""What one account's lists have shown of themselves: how many rows a page may have, and oddities."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

PAGE = 100  # rows asked for at a time
SMALLEST = 10  # rows; less is no remedy
REMEMBERED = 6 * 3600.0  # s; then a full page is tried again

log = structlog.get_logger()


@dataclass(slots=True)
class _Limit:
    """`until` by the steady clock, in seconds; it is `logged` once it has worked."""

    rows: int
    until: float
    logged: bool = False


class PageLimits:
    """A list is named by its API and its kind, `tasking tasks`, whatever order or capture it is of."""

    def __init__(self, account: str, monotonic: Callable[[], float]) -> None:
        self._account = account
        self._monotonic = monotonic
        self._limits: dict[str, _Limit] = {}
        self._odd: set[tuple[str, str]] = set()

    def limit(self, name: str) -> int:
        """Rows to ask for at a time."""
        held = self._limits.get(name)
        return held.rows if held and self._monotonic() < held.until else PAGE

    def lower(self, name: str, failed: int) -> bool:
        """Halve the limit of which so many rows `failed`; False where nothing smaller is left to try."""
        if failed <= SMALLEST:
            return False
        if self.limit(name) >= failed:  # else another request has lowered it meanwhile
            self._limits[name] = _Limit(max(SMALLEST, failed // 2), self._monotonic() + REMEMBERED)
        return True

    def forget(self, name: str, failed: int) -> None:
        """Ask for full pages again: the smallest one failed too."""
        if self.limit(name) == failed:
            self._limits.pop(name, None)

    def worked(self, name: str) -> None:
        """Log the limit that made a list readable, once."""
        held = self._limits.get(name)
        if held and not held.logged:
            held.logged = True
            log.info("list.limited", account=self._account, list=name, rows=held.rows)

    def odd(self, name: str, reason: str, *, pages: int, count: int | None) -> None:
        """Log what is odd about a list, once."""
        if (name, reason) not in self._odd:
            self._odd.add((name, reason))
            log.warning("list.odd", account=self._account, list=name, reason=reason, pages=pages, count=count)
