"""The hosts of a cluster, as people see them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host: `boot` is its present process, `accounts` and `channels` those of its configuration."""

    host: str
    boot: str
    version: str
    config_digest: str
    seen_at: datetime
    accounts: Sequence[str] = ()
    channels: Sequence[str] = ()

    @property
    def is_visitor(self) -> bool:
        """Whether it is a command that runs beside the daemons, and holds no shifts."""
        return not self.accounts


class HostState(StrEnum):
    RUNNING = "running"
    GONE = "gone"  # without a sign of life for a lease
    OTHER_VERSION = "other_version"  # than most hosts that run
    OTHER_CONFIGURATION = "other_configuration"

    @property
    def words(self) -> str:
        """The state for display."""
        return self.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """What a host does now: the accounts that it polls, and how many deliveries it fetches."""

    host: str
    version: str
    seen_at: datetime
    accounts: Sequence[str]
    downloads: int
    state: HostState


def is_live(host: Host, now: datetime, lease: timedelta) -> bool:
    """Returns whether the host beat within a lease."""
    return now - host.seen_at < lease


def host_states(hosts: Sequence[Host], now: datetime, lease: timedelta) -> Mapping[str, HostState]:
    """Returns the state of each host by its name, compared with what most of the hosts that run have."""
    live = [host for host in hosts if is_live(host, now, lease)]
    version = _usual([host.version for host in live])
    digest = _usual([host.config_digest for host in live])

    def state(host: Host) -> HostState:
        if host not in live:
            return HostState.GONE
        if host.version != version:
            return HostState.OTHER_VERSION
        return HostState.RUNNING if host.config_digest == digest else HostState.OTHER_CONFIGURATION

    return {host.host: state(host) for host in hosts}


def _usual(values: Sequence[str]) -> str | None:
    """Returns what most have; of equally many, the greatest, which is the newer version."""
    counted = Counter(values)
    return max(counted, key=lambda value: (counted[value], value), default=None)
