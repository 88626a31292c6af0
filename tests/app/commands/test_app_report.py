"""The ledger of what really happened, told by the command."""

import json
from collections import Counter

from tests.app.app_rig import Rigged

from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene

MOVES = ((0, "planned"), (1, "captured"), (2, "processing"), (3, "published"))


async def test_report_tells_what_a_real_order_went_through(rigged: Rigged) -> None:
    """How much of a capture's life is seen depends on the machine; the history says how much it was."""
    scenes = Scene(size="100 kB"), Scene(size="100 kB")
    order = Order(
        task_id=7,
        project_name="Harbour",
        status=((0, "in_progress"),),
        captures=(Capture(status=MOVES, scenes=scenes),),
    )
    rig = await rigged(Scenario(orders=(order,)))
    rig.configure('task_name = "*"')
    assert (await rig.call("report")).code == 3
    daemon = await rig.start("run")
    await rig.until_stored(2)
    told = json.loads((await rig.call("report", "--json")).out)
    history = await rig.history(7)
    assert await rig.terminated(daemon) == 0
    (group,) = told["groups"]
    assert (group["account"], group["project_name"], group["orders"]) == ("main", "Harbour", 1)
    assert group["published_to_stored"]["count"] == 2
    assert 0 <= group["published_to_stored"]["median_seconds"] <= group["published_to_stored"]["p90_seconds"]
    seen_before = [m["before"] is not None for m in history if m["after"] == "published"]
    assert group["capture_to_published"]["count"] == sum(seen_before)
    left = Counter((m["subject"], m["before"]) for m in history if m["before"] is not None)
    assert {(d["subject"], d["state"]): d["count"] for d in told["dwell"]} == left
    assert told["overdue"] == []
    shown = await rig.call("report")
    assert (shown.code, shown.err) == (0, "")
    assert "Harbour" in shown.out
