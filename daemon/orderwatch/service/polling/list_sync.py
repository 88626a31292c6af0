"""The list of an account's orders: the status of all of them for the price of its pages."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.core.orders.watches import Watch, traits_of
from orderwatch.errors import ProviderError, RefusedError, UnavailableError, UnexpectedError
from orderwatch.ports import ListedRow, ListPage, Store, Tasking
from orderwatch.service.error_boundary import contained
from orderwatch.service.liveness import Worker, unsupervised
from orderwatch.service.polling.recorder import Recorder

log = structlog.get_logger()

_AT_ONCE = 500  # rows of a page that are recorded in one transaction


@dataclass
class ListResult:
    """What one reading of the list came to; `whole` where its last page was reached.

    Orders are `left` where an error of our own kept their rows from being recorded.
    """

    shown: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)
    pages: int = 0
    whole: bool = False
    trouble: ProviderError | None = None


class ListSync:
    """Takes in what moved. A row that is byte for byte as it was costs nothing but its page."""

    def __init__(
        self,
        tasking: Tasking,
        recorder: Recorder,
        store: Store,
        *,
        now: Callable[[], datetime],
        worker: Worker | None = None,
    ) -> None:
        self._tasking = tasking
        self._recorder = recorder
        self._store = store
        self._now = now
        self._worker = worker or unsupervised()
        self._marks: dict[int, int | None] = {}  # of rows taken in already: whose
        self._matched: set[Watch] = set()
        self._empty: set[Watch] = set()  # said to match nothing
        self._trouble: str | None = None
        self._is_odd = False  # a row that cannot be read was said
        self.pages = 1  # of the list, as far as we know

    async def read(self, wanted: Collection[int] | None = None) -> ListResult:
        """Read the list, or of it as many pages as find the `wanted` for less than asking each alone."""
        listing = ListResult()
        marks: dict[int, int | None] = {}
        try:
            async for page in self._tasking.listing():
                self._worker.progress()
                listing.pages += 1
                await self._take_in(page, listing, marks)
                if wanted is not None and not _is_worth_it(page, listing, wanted):
                    self.pages = _pages(page, listing)
                    return listing
        except (UnavailableError, RefusedError):
            raise
        except ProviderError as error:
            listing.trouble = error
            self._say_trouble(str(error), len(listing.shown))
        else:
            listing.whole = True
            self.pages = listing.pages
            self._marks = marks
            await self._swept(listing.shown)
        return listing

    async def probe(self) -> None:
        """Whether the account answers: one page. Raises `ProviderError`."""
        async for _ in self._tasking.listing():
            self._worker.progress()
            return

    async def _take_in(self, page: ListPage, listing: ListResult, marks: dict[int, int | None]) -> None:
        fresh: list[tuple[ListedRow, OrderSnapshot]] = []
        for row in page.rows:
            if row.mark in self._marks:
                marks[row.mark] = self._marks[row.mark]
            elif seen := self._read(row):
                fresh.append((row, seen))
                marks[row.mark] = seen.task_id
            else:
                marks[row.mark] = None
            if (task_id := marks[row.mark]) is not None:
                listing.shown.add(task_id)
        if not fresh:
            return
        watched = self._recorder.watched.patterns
        for _, seen in fresh:
            self._matched.update(watch for watch in watched if watch.matches_new(traits_of(seen)))
        for start in range(0, len(fresh), _AT_ONCE):
            some = fresh[start : start + _AT_ONCE]
            taken = await self._recorder.take_in([seen for _, seen in some])
            listing.left |= taken.left
            for row, seen in some:
                if seen.task_id in taken.doubted | taken.left:
                    marks.pop(row.mark, None)  # each further sight of it counts

    def _read(self, row: ListedRow) -> OrderSnapshot | None:
        """The row as an order, whose id nobody knows where that fails."""
        account = self._recorder.account
        try:
            with contained(account=account):
                return row.read()
        except UnexpectedError as error:
            if not self._is_odd:
                log.warning("provider.bad_item", account=account, item="Task", reason=str(error))
            self._is_odd = True
            return None

    async def _swept(self, shown: set[int]) -> None:
        account = self._recorder.account
        if self._trouble is not None:
            log.info("list.restored", account=account)
            self._trouble = None
        gone = await self._store.swept(account, self._now(), shown)
        if gone and shown:  # rows slip between pages
            log.info("list.lacks", account=account, task_ids=sorted(gone)[:20], count=len(gone))
        elif gone:
            log.warning("list.lacks", account=account, task_ids=sorted(gone)[:20], count=len(gone))
        for watch in self._recorder.watched.patterns:
            if watch not in self._matched and watch not in self._empty:
                self._empty.add(watch)
                log.warning("watch.empty", account=account, watch=str(watch), orders=len(shown))
            elif watch in self._matched and watch in self._empty:
                self._empty.discard(watch)
                log.info("watch.matched", account=account, watch=str(watch))

    def _say_trouble(self, reason: str, read: int) -> None:
        if reason != self._trouble:
            log.warning("list.failed", account=self._recorder.account, reason=reason, read=read)
        self._trouble = reason


def _is_worth_it(page: ListPage, listing: ListResult, wanted: Collection[int]) -> bool:
    """Whether the pages that are left cost less than asking for what was not found yet, order by order."""
    return len(set(wanted) - listing.shown) > _pages(page, listing) - listing.pages


def _pages(page: ListPage, listing: ListResult) -> int:
    """Of the whole list, as the page makes us believe."""
    if page.total is None or not page.rows:
        return listing.pages + 1
    return max(listing.pages, -(-page.total // len(page.rows)))
