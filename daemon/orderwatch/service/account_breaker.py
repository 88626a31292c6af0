"""The circuit breaker of one account: logs when an outage begins and ends, and survives restarts."""

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

_MAX_GENTLE_FAILURES = 15  # at the start these do not lengthen the pause: about a minute
_FIRST_PAUSE = timedelta(seconds=30)
_FIRST_PAUSE_AT_START = timedelta(seconds=5)
_START_PERIOD = timedelta(minutes=2)  # an outage that is no older may be due to the start of the machine
_SUSPECT_AFTER = 2  # consecutive failed requests for links


class AccountBreaker:
    """One account's circuit breaker, shared by all its workers; saved in the store."""

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
        self._first = min(_FIRST_PAUSE, interval)
        self._now = now
        self._rng = rng
        self._starting = trouble is None
        self._accepted = False
        self._failed_links = 0
        self._gentle_failures = 0  # at the start
        self.trouble = trouble and self._resume(trouble)

    @property
    def is_open(self) -> bool:
        """Whether an outage has begun and not ended."""
        return self.trouble is not None

    @property
    def state(self) -> str:
        """`fine`, `unavailable` or `refused`."""
        if self.trouble is None:
            return "fine"
        return "refused" if self.trouble.refused else "unavailable"

    @property
    def is_suspect(self) -> bool:
        """Whether requests for links failed lately; the poller then probes the account before others try."""
        return self._failed_links >= _SUSPECT_AFTER

    @property
    def accepted(self) -> bool:
        """Whether the credentials have worked since the start, and are not refused now."""
        return self._accepted and not (self.trouble and self.trouble.refused)

    @property
    def blocks_now(self) -> bool:
        """Whether requests have to wait now."""
        return self.trouble is not None and self.trouble.holds(self._now())

    def on_link_failure(self) -> None:
        """Count a failed request for a link."""
        self._failed_links += 1

    def on_link_success(self) -> None:
        """Reset the count of failed requests for links."""
        self._failed_links = 0

    async def on_failure(self, error: ProviderError) -> None:
        """Record a failure that the poller has confirmed; log it if the outage begins."""
        self.on_link_success()
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
            first=min(self._first, _FIRST_PAUSE_AT_START) if gentle else self._first,
            gentle=gentle,
            spread=self._rng.random(),
            spared=self._gentle_failures,
        )
        if gentle:
            self._gentle_failures = self.trouble.failures
        if known is None or known.refused is not refused:
            if refused:
                log.error("account.refused", account=self._account, reason=str(error))
            else:
                log.warning("account.unavailable", account=self._account, reason=str(error))
        await shielded(
            self._store.accounts.save_circuit(self._account, self.trouble)
        )  # also if cancelled, because it is logged

    def on_clock_step(self, by: timedelta) -> None:
        """Shift the pause after the clock was set back, so that it does not get longer."""
        if self.trouble is not None and by < timedelta(0):
            began_at, until = self.trouble.began_at + by, self.trouble.until + by
            self.trouble = replace(self.trouble, began_at=began_at, until=until)

    def _is_gentle(self, error: ProviderError) -> bool:
        """Return whether the host's own network may still be starting."""
        unreached = isinstance(error, UnavailableError) and not error.reached
        known = self.trouble.failures if self.trouble else 0
        return self._starting and unreached and known < _MAX_GENTLE_FAILURES

    async def on_success(self) -> None:
        """Record that the account answered; close the breaker."""
        self.on_link_success()
        self._starting = False
        self._gentle_failures = 0
        self._accepted = True
        if self.trouble is None:
            return
        duration = round((self._now() - self.trouble.began_at).total_seconds())
        log.info(
            "account.recovered",
            account=self._account,
            lasted_seconds=duration,
            failures=self.trouble.failures,
        )
        self.trouble = None
        await shielded(self._store.accounts.save_circuit(self._account, None))

    def _resume(self, trouble: OpenCircuit) -> OpenCircuit:
        """Continue an outage of the last process, which has logged it.

        Refused credentials are retried soon: an operator who restarts orderwatch has probably corrected them.
        """
        if not trouble.refused and trouble.until - trouble.began_at <= _START_PERIOD:
            self._gentle_failures = trouble.failures
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
