"""Reads the list of an account's orders: the status of all of them with one request per page."""

from collections.abc import Collection
from dataclasses import dataclass, field

import structlog

from orderwatch.core.model import OrderKey
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.core.orders.watches import Watch, traits_of
from orderwatch.errors import ProviderError, RefusedError, UnavailableError, UnexpectedError
from orderwatch.ports import ListedRow, ListPage, Tasking
from orderwatch.service.account_context import AccountContext
from orderwatch.service.error_boundary import contain_errors
from orderwatch.service.polling.recorder import Recorder

log = structlog.get_logger()

_ROWS_PER_TRANSACTION = 500


@dataclass
class ListResult:
    """The result of reading the list; `whole` if its last page was reached.

    The rows of `skipped` orders could not be recorded because of unexpected errors.
    """

    shown: set[str] = field(default_factory=set)
    skipped: set[OrderKey] = field(default_factory=set)
    pages: int = 0
    whole: bool = False
    trouble: ProviderError | None = None


class ListSync:
    """Records changed rows. An unchanged row costs nothing beyond its page."""

    def __init__(self, context: AccountContext, tasking: Tasking, recorder: Recorder) -> None:
        self._tasking = tasking
        self._recorder = recorder
        self._store = context.store
        self._now = context.now
        self._worker = context.worker
        self._marks: dict[int, str | None] = {}  # order_id by row hash, of recorded rows
        self._matched: set[Watch] = set()
        self._unmatched: set[Watch] = set()  # logged as matching no order
        self._logged_failure: str | None = None
        self._logged_bad_row = False
        self.pages = 1  # of the list, an estimate

    async def read(self, order_ids: Collection[str] | None = None) -> ListResult:
        """Read the list; with `order_ids`, only while that is cheaper than requesting the missing orders."""
        listing = ListResult()
        marks: dict[int, str | None] = {}
        try:
            async for page in self._tasking.listing():
                self._worker.progress()
                listing.pages += 1
                await self._record_page(page, listing, marks)
                if order_ids is not None and not _is_worth_continuing(page, listing, order_ids):
                    self.pages = _estimate_pages(page, listing)
                    return listing
        except (UnavailableError, RefusedError):
            raise
        except ProviderError as error:
            listing.trouble = error
            self._log_failure(str(error), len(listing.shown))
        else:
            listing.whole = True
            self.pages = listing.pages
            self._marks = marks
            await self._on_complete(listing.shown)
        return listing

    async def probe(self) -> None:
        """Request one page to see if the account answers. Raises `ProviderError`."""
        async for _ in self._tasking.listing():
            self._worker.progress()
            return

    async def _record_page(self, page: ListPage, listing: ListResult, marks: dict[int, str | None]) -> None:
        fresh: list[tuple[ListedRow, OrderSnapshot]] = []
        for row in page.rows:
            if row.mark in self._marks:
                marks[row.mark] = self._marks[row.mark]
            elif seen := self._read(row):
                fresh.append((row, seen))
                marks[row.mark] = seen.order_id
            else:
                marks[row.mark] = None
            if (order_id := marks[row.mark]) is not None:
                listing.shown.add(order_id)
        if not fresh:
            return
        watched = self._recorder.watched.listed
        for _, seen in fresh:
            self._matched.update(watch for watch in watched if watch.matches_new(traits_of(seen)))
        for start in range(0, len(fresh), _ROWS_PER_TRANSACTION):
            batch = fresh[start : start + _ROWS_PER_TRANSACTION]
            result = await self._recorder.record_page([seen for _, seen in batch])
            listing.skipped |= result.skipped
            for row, seen in batch:
                if seen.key in result.doubted | result.skipped:
                    marks.pop(row.mark, None)  # so that the row is recorded again next time

    def _read(self, row: ListedRow) -> OrderSnapshot | None:
        """Parse a row; logs the first unexpected error and returns None."""
        account = self._recorder.account
        try:
            with contain_errors(account=account):
                return row.read()
        except UnexpectedError as error:
            if not self._logged_bad_row:
                log.warning("provider.bad_item", account=account, item="Task", reason=str(error))
            self._logged_bad_row = True
            return None

    async def _on_complete(self, shown: set[str]) -> None:
        account = self._recorder.account
        if self._logged_failure is not None:
            log.info("list.restored", account=account)
            self._logged_failure = None
        missing = await self._store.accounts.mark_listed(account, self._now(), shown)
        if missing and shown:  # rows may move between pages while they are read
            log.info("list.lacks", account=account, order_ids=sorted(missing)[:20], count=len(missing))
        elif missing:
            log.warning("list.lacks", account=account, order_ids=sorted(missing)[:20], count=len(missing))
        for watch in self._recorder.watched.listed:
            if watch not in self._matched and watch not in self._unmatched:
                self._unmatched.add(watch)
                log.warning("watch.empty", account=account, watch=str(watch), orders=len(shown))
            elif watch in self._matched and watch in self._unmatched:
                self._unmatched.discard(watch)
                log.info("watch.matched", account=account, watch=str(watch))

    def _log_failure(self, reason: str, read: int) -> None:
        if reason != self._logged_failure:
            log.warning("list.failed", account=self._recorder.account, reason=reason, read=read)
        self._logged_failure = reason


def _is_worth_continuing(page: ListPage, listing: ListResult, order_ids: Collection[str]) -> bool:
    """Return whether the remaining pages cost less than requesting each missing order."""
    return len(set(order_ids) - listing.shown) > _estimate_pages(page, listing) - listing.pages


def _estimate_pages(page: ListPage, listing: ListResult) -> int:
    """Estimate the pages of the whole list from one page."""
    rows = len(page.rows) + page.left_out
    if page.total is None or not rows:
        return listing.pages + 1
    return max(listing.pages, -(-page.total // rows))
