"""Watches the other hosts, on the host that holds the keeper's shift."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from orderwatch.core.cluster.hosts import Host, HostState, host_states
from orderwatch.core.cluster.problems import is_of_gone_host
from orderwatch.core.notifications.problems import Problem
from orderwatch.errors import DatabaseError
from orderwatch.ports import Hosts
from orderwatch.service.cluster.visitors import forget_visitors

log = structlog.get_logger()

_GONE, _DIFFERS = "host.gone", "host.differs"
_REASONS = {
    HostState.OTHER_VERSION: "it runs another version than most",
    HostState.OTHER_CONFIGURATION: "its configuration is another than that of most",
}


class OpenProblems(Protocol):
    """The problems that have begun and not ended, on any host."""

    def find(self, event: str) -> Iterable[Problem]:
        """Return the open problems that began with this event."""
        ...

    def end_where(self, is_over: Callable[[Problem], bool]) -> None:
        """End these problems."""
        ...


class HostWatch:
    """Logs once when a host is gone or differs, and once when that is over, whichever keeper began it.

    `on_agreement` is called while every known host runs with the same configuration.
    """

    def __init__(
        self,
        hosts: Hosts,
        lease: timedelta,
        problems: OpenProblems,
        *,
        now: Callable[[], datetime],
        on_agreement: Callable[[], Awaitable[None]],
    ) -> None:
        self._hosts = hosts
        self._lease = lease
        self._problems = problems
        self._now = now
        self._on_agreement = on_agreement

    async def check(self) -> None:
        """Check every host once; the next check repeats it if the database cannot be read."""
        try:
            found, at = await self._hosts.list_all(self._now())
            found = await forget_visitors(self._hosts, found, at, self._lease)
        except DatabaseError:
            return
        states = host_states(found, at, self._lease)
        self._log_gone(found, states)
        self._log_different(states)
        live = {host for host, state in states.items() if state is not HostState.GONE}
        self._problems.end_where(lambda problem: is_of_gone_host(problem, live))
        if live and set(states.values()) == {HostState.RUNNING}:
            await self._on_agreement()

    def _log_gone(self, found: Sequence[Host], states: Mapping[str, HostState]) -> None:
        known = self._known(_GONE)
        for host in found:
            if states[host.host] is HostState.GONE and host.host not in known:
                log.error("host.gone", host=host.host, seen_at=host.seen_at)
        for name in known:
            if name not in states:
                log.info("host.forgotten", host=name)
            elif states[name] is not HostState.GONE:
                log.info("host.returned", host=name)

    def _log_different(self, states: Mapping[str, HostState]) -> None:
        known = self._known(_DIFFERS)
        for name, state in states.items():
            if state in _REASONS and name not in known:
                log.warning("host.differs", host=name, reason=_REASONS[state])
        for name in known:
            if states.get(name) not in _REASONS:
                log.info("host.agrees", host=name)

    def _known(self, event: str) -> set[str]:
        return {str(problem.facts.get("host")) for problem in self._problems.find(event)}
