"""Strikes hosts and commands at random while files arrive and orders are placed, and counts the damage."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from tests.app.cluster.cluster_rig import Cluster, Host
from tests.app.ordering_kit import file_of, order_toml
from tests.forks import Running
from tests.patience import PATIENCE

from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Scenario

KILLS, STOPS = 6, 5
LEASE_SECONDS = 8.0
STANDING = 8
"""Standing orders; one more is placed by two commands at once with each strike."""

_SETTINGS = """
[ordering]
enabled = true
resend = true
confirm_lost_after = "2s"
max_per_day = 100
max_total = 100
"""
# Responses that are lost before and after the order was accepted, and slow ones, so that strikes meet them.
_FAULTS = (
    Fault(on="place", kind="reset", late=True, after=2, times=2),
    Fault(on="place", kind="reset", after=3, times=2),
    Fault(on="place", kind="delay", seconds=0.5, times=0),
)


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What must not have happened, each by its number."""

    lost: int
    stored_twice: int
    bad_bytes: int
    foreign_files: int
    orders_lost: int
    placed_twice: int

    @property
    def is_none(self) -> bool:
        return not any(asdict(self).values())


def standing_orders() -> str:
    """The configuration of the standing orders."""
    tables = [f'[[order]]\naccount = "main"\n{order_toml(f"Standing {n}")}' for n in range(STANDING)]
    return "\n".join([_SETTINGS, *tables])


def with_faults(scenario: Scenario) -> Scenario:
    return scenario.model_copy(update={"faults": _FAULTS})


@dataclass
class Chaos:
    """A cluster whose hosts are struck as the draw says."""

    cluster: Cluster
    draw: random.Random
    hosts: dict[str, Host] = field(default_factory=dict)
    restarts: dict[str, asyncio.Lock] = field(default_factory=dict)  # a name has one process at a time
    files: dict[str, str] = field(default_factory=dict)  # of orders that commands place, by name

    async def play(self, *names: str) -> Damage:
        """Start hosts with these names, strike them, wait until all is delivered, and end them."""
        self._relax()
        for name in names:
            self.hosts[name], self.restarts[name] = await self.cluster.host(name), asyncio.Lock()
        await self.cluster.until_downloads(1)
        strikes = [signal.SIGKILL] * KILLS + [signal.SIGSTOP] * STOPS
        self.draw.shuffle(strikes)
        async with asyncio.TaskGroup() as struck:
            for number, how in enumerate(strikes):
                await asyncio.sleep(self.draw.uniform(0.3, 1.5))
                struck.create_task(self._strike_host(self.draw.choice(names), how))
                struck.create_task(self._strike_commands(f"Order {number}"))
        async with asyncio.timeout(2 * PATIENCE):
            await self._place_the_rest()
            while not await self._is_delivered():
                await asyncio.sleep(1)
        for host in self.hosts.values():
            assert await self.cluster.terminated(host.process) == 0
        return await self._damage()

    def _relax(self) -> None:
        """Poll less often than other tests do, so that few cores have time for many hosts."""
        config = self.cluster.config
        text = config.read_text(encoding="utf-8").replace('interval = "300ms"', 'interval = "2s"')
        config.write_text(text, encoding="utf-8")
        self.cluster.environment["ORDERWATCH_CLUSTER__LEASE"] = f"{LEASE_SECONDS:.0f}s"

    async def _strike_host(self, name: str, how: int) -> None:
        """Kill a host, which starts again soon, or stop it for longer than its lease."""
        pause = (
            self.draw.uniform(0, 2) if how == signal.SIGKILL else LEASE_SECONDS * self.draw.uniform(1.2, 2.2)
        )
        async with self.restarts[name]:
            process = self.hosts[name].process
            process.send_signal(how)
            if how == signal.SIGKILL:
                await process.wait()
            await asyncio.sleep(pause)
            if how == signal.SIGKILL:
                self.hosts[name] = await self.cluster.host(name)
            else:
                process.send_signal(signal.SIGCONT)

    async def _strike_commands(self, task_name: str) -> None:
        """Place an order by two commands at once, one of which is killed, or stopped beyond its lease."""
        self.files[task_name] = file_of(self.cluster, order_toml(task_name), f"{task_name}.toml")
        how = self.draw.choice([signal.SIGKILL, signal.SIGSTOP])
        delay, pause = self.draw.uniform(0.1, 1.5), self._more_than_a_lease()
        first, second = await self._command(task_name), await self._command(task_name)
        await asyncio.sleep(delay)
        first.send_signal(how)
        if how == signal.SIGSTOP:
            await asyncio.sleep(pause)
            first.send_signal(signal.SIGCONT)
        await first.wait()
        await second.wait()

    async def _command(self, task_name: str) -> Running:
        return await self.cluster.start("place", self.files[task_name], "--yes", "--resume")

    def _more_than_a_lease(self) -> float:
        return LEASE_SECONDS * self.draw.uniform(1.2, 2.2)

    async def _place_the_rest(self) -> None:
        for file in self.files.values():
            while (await self.cluster.call("place", file, "--yes", "--resume")).code != 0:
                await asyncio.sleep(1)

    async def _is_delivered(self) -> bool:
        deliveries = await self.cluster.deliveries()
        stored = [d["scene_id"] for d in deliveries if d["state"] == "stored"]
        orders = Counter(self._orders())
        return set(stored) >= (await self.cluster.truth()).keys() and orders.keys() >= self._wanted_orders()

    def _orders(self) -> Sequence[str]:
        """The task_name of each order that the provider accepted."""
        scenario = self.cluster.simulator.scenario
        return [order.task_name for order in scenario.orders if order.task_name in self._wanted_orders()]

    def _wanted_orders(self) -> set[str]:
        return {*self.files, *(f"Standing {number}" for number in range(STANDING))}

    async def _damage(self) -> Damage:
        truth, files = await self.cluster.truth(), await self.cluster.delivered.digests()
        deliveries = {d["scene_id"]: d for d in await self.cluster.deliveries()}
        stored = {scene: files.get(d["path"]) for scene, d in deliveries.items() if d["state"] == "stored"}
        times = Counter(await self.cluster.times_stored())
        orders = Counter(self._orders())
        return Damage(
            lost=len(truth.keys() - stored.keys()),
            stored_twice=sum(count - 1 for count in times.values()),
            bad_bytes=sum(stored[scene] != truth[scene] for scene in truth.keys() & stored.keys()),
            foreign_files=len(files) - len(truth),
            orders_lost=len(self._wanted_orders() - orders.keys()),
            placed_twice=sum(count - 1 for count in orders.values()),
        )
