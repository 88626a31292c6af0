"""Circuit breakers and connection limits of download hosts, by account.

Logs once when a host begins to fail and once when it recovers.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta

import structlog

from orderwatch.core.deliveries import hosts
from orderwatch.core.deliveries.hosts import Host, HostKey
from orderwatch.core.model import Delivery
from orderwatch.errors import HeldError, HostError

log = structlog.get_logger()


class HostBreakers:
    """The breakers of all hosts. A doubted host is tried by one download at a time, each time another."""

    def __init__(self) -> None:
        self._hosts: dict[HostKey, _HostState] = {}

    def visit(self, delivery: Delivery, now: Callable[[], datetime]) -> "HostVisit":
        """Start a visit to the host of the delivery's last link, if known."""
        return HostVisit(self._state, delivery, now)

    def resting(self, now: datetime) -> Sequence[HostKey]:
        """Return the hosts where no download may begin now."""
        return [key for key, state in self._hosts.items() if not state.admits(now)]

    def doubted(self) -> Sequence[HostKey]:
        """Return the hosts where the delivery with the fewest attempts goes first."""
        return [key for key, state in self._hosts.items() if state.host.doubted]

    def forget(self, now: datetime, max_wait: timedelta) -> None:
        """Forget failures of hosts that no delivery can be waiting for any more, after `max_wait`."""
        for state in self._hosts.values():
            trouble = state.host.trouble
            if trouble is not None and not state.visitors and now > trouble.until + max_wait:
                state.set_host(Host(limit=state.host.limit))
        self._hosts = {
            key: state for key, state in self._hosts.items() if state.visitors or state.host != Host()
        }

    def _state(self, key: HostKey) -> "_HostState":
        return self._hosts.setdefault(key, _HostState(key))


class HostVisit:
    """A delivery that is downloaded from a host; counts its additional connections too."""

    def __init__(
        self, state: Callable[[HostKey], "_HostState"], delivery: Delivery, now: Callable[[], datetime]
    ) -> None:
        self._state_of = state
        self._account = delivery.account
        self._file: Hashable = delivery.key
        self._now = now
        self._met_others = False
        self._is_inside = False
        self._join(state(HostKey(delivery.account, delivery.host or "")))

    @property
    def is_failing(self) -> bool:
        """Whether the host is known to fail."""
        return self._state.host.trouble is not None

    @property
    def is_shared(self) -> bool:
        """Whether another delivery uses, or used, the host beside this one."""
        return self._met_others or self._others > 0

    def enter(self, host: str) -> None:
        """Visit the host of the new link. Raises `HeldError` if it is another host that is blocked now."""
        state = self._state_of(HostKey(self._account, host))
        if state is self._state:
            return
        self.leave()
        admitted = state.admits(self._now())
        self._join(state)
        if not admitted:
            self.leave()
            raise HeldError("its download host is down or busy", state.host.holds(self._now()))

    def leave(self) -> None:
        """End the visit; the remaining work does not need the host."""
        if self._is_inside:
            self._is_inside = False
            self._state.visitors.remove(self._file)

    def on_bytes(self) -> None:
        """Record that bytes arrived."""
        self._state.set_host(hosts.after_bytes(self._state.host, self._file))

    def on_failure(self, error: HostError, retry_max: timedelta, spread: float) -> None:
        """Record that the host failed before a new byte; it is retried within `retry_max`."""
        host, now, reason = self._state.host, self._now(), str(error)
        self._state.set_host(
            hosts.after_failure(
                host, self._file, reason, now, reached=error.reached, slowest=retry_max, spread=spread
            )
        )

    def on_refusal(self, requested: timedelta, retry_max: timedelta) -> timedelta:
        """Record that the host is busy; returns how long the delivery has to wait.

        Without a Retry-After (`requested`), the delivery waits for another one to end; if there is none, with
        exponential backoff.
        """
        host, now = self._state.host, self._now()
        if requested:
            wait = hosts.requested_wait(host, requested)
        else:
            wait = timedelta(0) if self.is_shared else hosts.backoff_wait(host, retry_max)
        self._state.set_host(hosts.after_refusal(host, self._file, wait, now, self._others))
        return wait

    def on_forbidden(self) -> bool:
        """Record a 403; returns whether it concerns this file, and not the number of connections."""
        host = self._state.host
        if self.is_shared and self._file not in host.forbidden:
            return False
        if not self.is_shared:
            self._state.set_host(hosts.after_forbidden(host, self._file))
        return True

    def acquire(self) -> bool:
        """Count one more connection, if the host accepts it; `release` returns it."""
        state, limit = self._state, self._state.host.takes(self._now())
        if limit is not None and len(state.visitors) >= limit:
            return False
        state.visitors.append(self._file)
        return True

    def release(self) -> None:
        self._state.visitors.remove(self._file)

    def on_refused(self) -> None:
        """Record that the host refused an additional connection, which still counts."""
        state = self._state
        others = len(state.visitors) - 1
        state.set_host(hosts.after_refusal(state.host, self._file, timedelta(0), self._now(), others))

    @property
    def _others(self) -> int:
        """The number of connections of other deliveries."""
        return sum(file != self._file for file in self._state.visitors)

    def _join(self, state: "_HostState") -> None:
        self._state = state
        self._met_others = bool(state.key.host and state.visitors)
        self._is_inside = True
        state.visitors.append(self._file)


class _HostState:
    """One host as one account uses it; `visitors` has each delivery once per connection."""

    def __init__(self, key: HostKey) -> None:
        self.key = key
        self.host = Host()
        self.visitors: list[Hashable] = []

    def admits(self, now: datetime) -> bool:
        if not self.key.host:
            return True
        limit = self.host.takes(now)
        full = limit is not None and len(self.visitors) >= limit
        return not (full or self.host.holds(now) or (self.host.doubted and self.visitors))

    def set_host(self, host: Host) -> None:
        before, self.host = self.host, host
        account, name = self.key
        if host.trouble and not before.trouble:
            log.warning("downloads.failing", account=account, host=name, reason=host.trouble.reason)
        if before.trouble and not host.trouble:
            failures = before.trouble.failures + hosts.FAILURES_TO_OPEN - 1
            log.info("downloads.restored", account=account, host=name, failures=failures)
        if host.limit and (before.limit is None or host.limit.most < before.limit.most):
            log.info("downloads.limited", account=account, host=name, connections=host.limit.most)
