"""Whether an account may be asked now. Its trouble is said when it begins and ends, and outlives us."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from orderwatch.core.breaker import Failed, Trouble, troubled
from orderwatch.errors import ProviderError, RefusedError, UnavailableError
from orderwatch.ports import Store

log = structlog.get_logger()

_GENTLE = 15  # failures at the start that do not lengthen the pause: about a minute
_FIRST = timedelta(seconds=30)
_FIRST_AT_START = timedelta(seconds=5)


class Gate:
    """One account's breaker, shared by everything that asks for it; kept in the store."""

    def __init__(
        self,
        account: str,
        trouble: Trouble | None,
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
        self.trouble = trouble and self._taken_over(trouble)

    @property
    def lasts(self) -> bool:
        """Trouble began and has not ended."""
        return self.trouble is not None

    @property
    def holds(self) -> bool:
        """Nobody should ask now."""
        return self.trouble is not None and self.trouble.holds(self._now())

    async def failed(self, error: ProviderError) -> None:
        refused = isinstance(error, RefusedError)
        known, now = self.trouble, self._now()
        gentle = self._is_gentle(error)
        self.trouble = troubled(
            known,
            Failed(
                refused=refused,
                reason=str(error),
                wait=timedelta(seconds=error.wait if isinstance(error, UnavailableError) else 0),
            ),
            now,
            first=min(self._first, _FIRST_AT_START) if gentle else self._first,
            gentle=gentle,
            spread=self._rng.random(),
        )
        if known is None or known.refused is not refused:
            if refused:
                log.error("account.refused", account=self._account, reason=str(error))
            else:
                log.warning("account.unavailable", account=self._account, reason=str(error))
        await self._store.troubled(self._account, self.trouble)

    def _is_gentle(self, error: ProviderError) -> bool:
        """At the start of the machine our own network may still be about to come up."""
        unreached = isinstance(error, UnavailableError) and not error.reached
        known = self.trouble.failures if self.trouble else 0
        return self._starting and unreached and known < _GENTLE

    async def succeeded(self) -> None:
        self._starting = False
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
        await self._store.troubled(self._account, None)

    def _taken_over(self, trouble: Trouble) -> Trouble:
        """What lasted when the last process ended: it was said then, and is not hammered now.

        Who restarts us after a refusal has probably mended its cause, so that is tried again soon.
        """
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
