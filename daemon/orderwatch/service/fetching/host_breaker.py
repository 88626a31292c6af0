"""Download hosts, by account: which of them bring nothing, which take no more, and who is on the way to them.

That a host brings nothing is said once when it begins and once when it ends.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime, timedelta

import structlog

from orderwatch.core.deliveries import hosts
from orderwatch.core.deliveries.hosts import Host, Way
from orderwatch.core.model import Delivery
from orderwatch.errors import HeldError, HostError

log = structlog.get_logger()


class HostBreakers:
    """While a host is doubted one download at a time tries it, each time another one."""

    def __init__(self) -> None:
        self._roads: dict[Way, _Road] = {}

    def visit(self, delivery: Delivery, now: Callable[[], datetime]) -> "HostVisit":
        """The delivery goes to the host that it was offered at last, as far as that is known."""
        return HostVisit(self._road, delivery, now)

    def resting(self, now: datetime) -> Sequence[Way]:
        """Where no download may begin now."""
        return [way for way, road in self._roads.items() if not road.admits(now)]

    def doubted(self) -> Sequence[Way]:
        """Where the delivery that was tried least goes first."""
        return [way for way, road in self._roads.items() if road.host.doubted]

    def forget(self, now: datetime, longest: timedelta) -> None:
        """Nobody waits longer than `longest`: nothing is wanted of a host that was not asked for so long.

        Hosts that nothing is known of are not kept.
        """
        for road in self._roads.values():
            trouble = road.host.trouble
            if trouble is not None and not road.on_it and now > trouble.until + longest:
                road.becomes(Host(limit=road.host.limit))
        self._roads = {way: road for way, road in self._roads.items() if road.on_it or road.host != Host()}

    def _road(self, way: Way) -> "_Road":
        return self._roads.setdefault(way, _Road(way))


class HostVisit:
    """A delivery on its way to a host. Its further connections are counted too."""

    def __init__(
        self, road: Callable[[Way], "_Road"], delivery: Delivery, now: Callable[[], datetime]
    ) -> None:
        self._road_to = road
        self._account = delivery.account
        self._file: Hashable = delivery.key
        self._now = now
        self._met = False
        self._inside = False
        self._enter(road(Way(delivery.account, delivery.host or "")))

    @property
    def lasts(self) -> bool:
        """The host is known to bring nothing."""
        return self._road.host.trouble is not None

    @property
    def crowded(self) -> bool:
        """Another delivery is, or was, on the way to the host beside this one."""
        return self._met or self._others > 0

    def goes_to(self, host: str) -> None:
        """The link leads there; `HeldError` where that is another host than before, not to be asked now."""
        road = self._road_to(Way(self._account, host))
        if road is self._road:
            return
        self.leave()
        admitted = road.admits(self._now())
        self._enter(road)
        if not admitted:
            self.leave()
            raise HeldError("its download host is down or busy", road.host.holds(self._now()))

    def leave(self) -> None:
        """What is left to do does not need the host."""
        if self._inside:
            self._inside = False
            self._road.on_it.remove(self._file)

    def came(self) -> None:
        """Bytes came."""
        self._road.becomes(hosts.after_bytes(self._road.host, self._file))

    def failed(self, error: HostError, slowest: timedelta, spread: float) -> None:
        """The host failed before a new byte came; it is asked again within `slowest`."""
        host, now, reason = self._road.host, self._now(), str(error)
        self._road.becomes(
            hosts.after_failure(
                host, self._file, reason, now, reached=error.reached, slowest=slowest, spread=spread
            )
        )

    def refused(self, said: timedelta, slowest: timedelta) -> timedelta:
        """The host has no time for the delivery; returns how long that waits.

        Where it does not say how long, the delivery waits for another one to end, or where there is none
        ever longer.
        """
        host, now = self._road.host, self._now()
        if said:
            wait = hosts.wait_said(host, said)
        else:
            wait = timedelta(0) if self.crowded else hosts.wait_unsaid(host, slowest)
        self._road.becomes(hosts.after_refusal(host, self._file, wait, now, self._others))
        return wait

    def is_forbidden(self) -> bool:
        """The host refuses this very file; not where it may only lack connections."""
        host = self._road.host
        if self.crowded and self._file not in host.forbidden:
            return False
        if not self.crowded:
            self._road.becomes(hosts.after_forbidden(host, self._file))
        return True

    def more(self) -> bool:
        """One connection more is taken, if the host takes so many; `fewer` gives it back."""
        road, most = self._road, self._road.host.takes(self._now())
        if most is not None and len(road.on_it) >= most:
            return False
        road.on_it.append(self._file)
        return True

    def fewer(self) -> None:
        self._road.on_it.remove(self._file)

    def too_many(self) -> None:
        """The host refused one of the further connections, which still counts."""
        road = self._road
        others = len(road.on_it) - 1
        road.becomes(hosts.after_refusal(road.host, self._file, timedelta(0), self._now(), others))

    @property
    def _others(self) -> int:
        """Connections of other deliveries."""
        return sum(file != self._file for file in self._road.on_it)

    def _enter(self, road: "_Road") -> None:
        self._road = road
        self._met = bool(road.way.host and road.on_it)
        self._inside = True
        road.on_it.append(self._file)


class _Road:
    """From one account to one host; `on_it` has each delivery once for each connection."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.host = Host()
        self.on_it: list[Hashable] = []

    def admits(self, now: datetime) -> bool:
        if not self.way.host:
            return True
        most = self.host.takes(now)
        full = most is not None and len(self.on_it) >= most
        return not (full or self.host.holds(now) or (self.host.doubted and self.on_it))

    def becomes(self, host: Host) -> None:
        before, self.host = self.host, host
        account, name = self.way
        if host.trouble and not before.trouble:
            log.warning("downloads.failing", account=account, host=name, reason=host.trouble.reason)
        if before.trouble and not host.trouble:
            failures = before.trouble.failures + hosts.ENOUGH - 1
            log.info("downloads.restored", account=account, host=name, failures=failures)
        if host.limit and (before.limit is None or host.limit.most < before.limit.most):
            log.info("downloads.limited", account=account, host=name, connections=host.limit.most)
