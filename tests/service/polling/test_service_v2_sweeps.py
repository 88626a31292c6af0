"""Many orders of v2 cost the pages of lists, and the one that ends its reason."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.service_kit import PACE, House, connected, house, patterns
from tests.service.tracking_kit import as_daemon

from orderwatch.simulator import Scenario

DAY = 86_400.0
PAGE = 500
ENDS = 5 * PACE.interval.total_seconds()
EVERYTHING = patterns(task_name="*")


def orders(waiting: int, running: int) -> Iterator[dict[str, object]]:
    """Orders whose window opens in days, orders with a capture, and one of these that ends in vain."""
    for number in range(waiting):
        yield {"task_id": 1 + number, "start": 10 * DAY, "status": [[-1, "received"]]}
    for number in range(running):
        ends = [[ENDS, "failed"]] if number == 0 else []
        yield {
            "task_id": 347_001 + number,
            "start": -DAY,
            "status": [[-1, "in_progress"], *ends],
            "events": [
                {"at": -1, "type": "OrderAccepted"},
                {"at": ENDS, "type": "OrderForceClosed", "message": "clouds"},
                {"at": ENDS, "type": "OrderArchived"},
            ],
            "captures": [{"status": [[-DAY, "planned"], [-3600, "captured"]]}],
        }


def requests(h: House) -> Counter[str]:
    """Count the requests since the last call: of lists by name, of one order's parts by their names."""
    found = [entry.path.strip("/").split("/") for entry in h.simulator.journal.find(method="GET")]
    h.simulator.journal.clear()
    return Counter(path[-1] if len(path) == 2 else "/".join(["order", *path[3:]]) for path in found)


@pytest.mark.parametrize(("waiting", "running"), [(570, 30), pytest.param(4200, 300, marks=pytest.mark.long)])
async def test_a_sweep_costs_pages_and_what_moved(tmp_path: Path, waiting: int, running: int) -> None:
    scenario = Scenario.model_validate({"orders": list(orders(waiting, running))})
    async with house(tmp_path, scenario) as h, connected(h.simulator, rest=h.time, api="v2") as connection:
        poller = as_daemon(h, EVERYTHING, connection)
        pages = -(-(waiting + running) // PAGE)
        await poller.sweep()
        own = {"order/captures": running, "order/deliverables": running}
        assert requests(h) == {"orders": pages, **own}
        for _ in range(3):
            h.time.move(PACE.interval)
            await poller.sweep()
            assert requests(h) == {"orders": pages, "captures": 1, "deliverables": 1}
        h.time.move(2 * PACE.interval)
        await poller.sweep()
        whole = {"orders": pages, "captures": 1, "deliverables": 1}
        assert requests(h) == {**whole, "order": 1, "order/events": 1}
        ended = await h.store.orders.list_all("347001")
        assert [order.reason for order in ended] == ["OrderForceClosed: clouds"]
        h.time.move(PACE.interval)
        await poller.sweep()
        assert requests(h) == whole
