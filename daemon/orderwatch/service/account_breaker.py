"""Whether an account may be asked now. Its trouble is said when it begins and ends, and outlives us."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from orderwatch.cancellation import shielded
from orderwatch.core.orders.circuit_breaker import AccountFailure, OpenCircuit, record_failure
from orderwatch.errors import ProviderError, RefusedError, UnavailableError
from orderwatch.ports import Store

log = structlog.get_logger()

_GENTLE = 15  # failures at the start that do not lengthen the pause: about a minute
_FIRST = timedelta(seconds=30)
_FIRST_AT_START = timedelta(seconds=5)
_START = timedelta(minutes=2)  # trouble that began no longer ago may be all of the start
_DOUBTFUL = 2  # requests for links in a row that were not answered


class AccountBreaker:
    """One account's breaker, shared by everything that asks for it; kept in the store."""

    def __init__(
        self,
        account: str,
        trouble: OpenCircuit | None,
        store: Store,
        *,
        interval: timedelta,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._account = account
        self._store = store
        self._first = min(_FIRST, interval)
        self._now = now
        self._rng = rng
        self._starting = trouble is None
        self._accepted = False
        self._unanswered = 0
        self._spared = 0  # failures of the start
        self.trouble = trouble and self._taken_over(trouble)

    @property
    def is_open(self) -> bool:
        """Trouble began and has not ended."""
        return self.trouble is not None

    @property
    def state(self) -> str:
        """fine, unavailable or refused."""
        if self.trouble is None:
            return "fine"
        return "refused" if self.trouble.refused else "unavailable"

    @property
    def is_suspect(self) -> bool:
        """No link came lately: the poller finds out whether the account answers before others ask again."""
        return self._unanswered >= _DOUBTFUL

    @property
    def accepted(self) -> bool:
        """The credentials worked since the start, and are not refused."""
        return self._accepted and not (self.trouble and self.trouble.refused)

    @property
    def blocks_now(self) -> bool:
        """Nobody should ask now."""
        return self.trouble is not None and self.trouble.holds(self._now())

    def unanswered(self) -> None:
        """A request for a link was not."""
        self._unanswered += 1

    def answered(self) -> None:
        self._unanswered = 0

    async def failed(self, error: ProviderError) -> None:
        """The poller found out; the trouble is said where it begins."""
        self.answered()
        refused = isinstance(error, RefusedError)
        known, now = self.trouble, self._now()
        gentle = self._is_gentle(error)
        self.trouble = record_failure(
            known,
            AccountFailure(
                refused=refused,
                reason=str(error),
                wait=timedelta(seconds=error.wait if isinstance(error, UnavailableError) else 0),
            ),
            now,
            first=min(self._first, _FIRST_AT_START) if gentle else self._first,
            gentle=gentle,
            spread=self._rng.random(),
            spared=self._spared,
        )
        if gentle:
            self._spared = self.trouble.failures
        if known is None or known.refused is not refused:
            if refused:
                log.error("account.refused", account=self._account, reason=str(error))
            else:
                log.warning("account.unavailable", account=self._account, reason=str(error))
        await shielded(self._store.troubled(self._account, self.trouble))  # as it was said

    def stepped(self, by: timedelta) -> None:
        """Our clock was set: a pause ends no later for it."""
        if self.trouble is not None and by < timedelta(0):
            began_at, until = self.trouble.began_at + by, self.trouble.until + by
            self.trouble = replace(self.trouble, began_at=began_at, until=until)

    def _is_gentle(self, error: ProviderError) -> bool:
        """At the start of the machine our own network may still be about to come up."""
        unreached = isinstance(error, UnavailableError) and not error.reached
        known = self.trouble.failures if self.trouble else 0
        return self._starting and unreached and known < _GENTLE

    async def succeeded(self) -> None:
        self.answered()
        self._starting = False
        self._spared = 0
        self._accepted = True
        if self.trouble is None:
            return
        lasted = round((self._now() - self.trouble.began_at).total_seconds())
        log.info(
            "account.recovered",
            account=self._account,
            lasted_seconds=lasted,
            failures=self.trouble.failures,
        )
        self.trouble = None
        await shielded(self._store.troubled(self._account, None))

    def _taken_over(self, trouble: OpenCircuit) -> OpenCircuit:
        """What lasted when the last process ended: it was said then, and is not hammered now.

        Who restarts us after a refusal has probably mended its cause, so that is tried again soon.
        """
        if not trouble.refused and trouble.until - trouble.began_at <= _START:
            self._spared = trouble.failures
        if trouble.refused:
            trouble = replace(trouble, until=min(trouble.until, self._now() + self._first))
        log.info(
            "account.still_troubled",
            account=self._account,
            reason=trouble.reason,
            began_at=trouble.began_at,
            until=trouble.until,
        )
        return trouble
