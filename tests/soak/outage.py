"""An hour without the provider's APIs, its downloads, or both; prints what it cost as JSON."""

import asyncio
import json
import sys
from bisect import bisect
from collections.abc import Mapping
from pathlib import Path

from tests.soak.hurry import Hurry
from tests.soak.stage import HOUR, Stage, play, slow_down_wakeups

from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault, Faults
from orderwatch.simulator.scenario import Capture, Order, Scene

ORDERS = 40
LONGEST = 12 * HOUR  # until everything must be here
BEGINS = 120.0  # seconds: all have been looked at by then, and are wanted

NO_DOWNLOADS = Fault(on="download", kind="status", code=503, times=0)


def scenario() -> Scenario:
    """What is wanted cannot be had before the outage either."""
    published = [Capture(status=((0, "published"),), scenes=(Scene(size=20_000 + n),)) for n in range(ORDERS)]
    orders = tuple(
        Order(task_id=100 + n, status=((0, "in_progress"),), captures=(capture,))
        for n, capture in enumerate(published)
    )
    return Scenario(orders=orders, faults=(NO_DOWNLOADS,))


async def outage(stage: Stage, down: str, found: dict[str, object]) -> None:
    await stage.until(BEGINS)
    before, lines = stage.count_by_host(), len(stage.log.lines)
    stage.simulator.outage = down != "downloads"
    if down == "api":
        stage.simulator.faults = Faults(())
    await stage.until(BEGINS + HOUR)
    after = stage.count_by_host()
    found["lines"] = bisect(stage.log.lines, BEGINS + HOUR) - lines
    found["events"] = dict(stage.log.events)
    found["requests"] = {host: after[host] - before.get(host, 0) for host in after}
    stage.simulator.outage = False
    stage.simulator.faults = Faults(())
    while stage.log.events["delivery.stored"] < ORDERS and stage.seconds < LONGEST:
        await asyncio.sleep(300)


def main() -> None:
    folder, down = Path(sys.argv[1]), sys.argv[2]
    hurry, found = Hurry(), dict[str, object]()
    hurry.take_over()
    slow_down_wakeups(15.0)

    async def story(stage: Stage) -> None:
        await outage(stage, down, found)

    stage = hurry.run(lambda: play(folder, scenario(), story))
    found["stored"] = stage.log.events["delivery.stored"]
    found["ended"] = _ended(stage.log.events)
    print(json.dumps(found))


def _ended(events: Mapping[str, int]) -> list[int]:
    return [events.get(name, 0) for name in ("account.unavailable", "account.recovered")]
