"""An order that both APIs know, each under its own id, is one: one history, and no file fetched twice."""

import json

from tests.app.app_rig import Rig, Rigged
from tests.app.v2.v2_kit import machine, published, requests, use

from orderwatch.simulator.scenario import Account

LATE = 100.0
V1 = (Account(),)
ORDERS = (
    {"task_id": 7, "task_name": "small id", "status": ((0, "in_progress"), (LATE, "completed")),
     "captures": (published(), published(at=LATE))},
    {"task_id": 347001, "task_name": "in vain", "status": ((0, "failed"),), "reason": "cloudy for weeks",
     "captures": ({"status": ((0, "failed"),)},)},
)  # fmt: skip


async def quiet_round(rig: Rig) -> None:
    """Poll everything once; no warning, and no change that is not documented."""
    ended = await rig.call("once")
    assert ended.code == 0
    lines = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    loud = [line for line in lines if line["level"] not in {"debug", "info"}]
    assert [line["event"] for line in loud if line["event"] != "attention.raised"] == []


async def history(rig: Rig, order_id: str) -> list[dict[str, object]]:
    ended = await rig.call("history", order_id, "--json")
    found: list[dict[str, object]] = json.loads(ended.out)["transitions"]
    return found


async def test_an_account_goes_to_v2_and_back_without_fetching_anything_again(rigged: Rigged) -> None:
    seconds = [0.0]
    rig = await machine(rigged, seconds=seconds, accounts=V1, orders=ORDERS)
    await quiet_round(rig)
    first = await history(rig, "7")
    assert len(rig.zips()) == 1
    assert (await rig.call("acknowledge", "--order", "347001")).code == 0

    use(rig, "v2")
    seconds[0] = LATE
    await quiet_round(rig)
    assert rig.simulator.journal.count(listener="download") == 2
    assert [(o["order_id"], o["task_id"]) for o in await rig.status()] == [("000383", 7), ("000384", 347001)]
    moves = await history(rig, "000383")
    assert moves == await history(rig, "7")
    assert [m["after"] for m in moves][: len(first)] == [m["after"] for m in first]
    assert {m["order_id"] for m in moves} == {"000383"}
    for name in ("000384", "347001"):
        explained = (await rig.call("explain", name)).out
        assert "order 000384 Simulated project / in vain" in explained
        assert "closed: OrderForceClosed: cloudy for weeks" in explained
        assert (await rig.call("retry", "--order", name)).out == "no delivery is parked or given up\n"
    assert (await rig.call("status", "--attention")).out.splitlines()[-1] == "no order needs attention"
    assert (await rig.call("verify")).code == 0

    use(rig, "v1")
    await quiet_round(rig)
    assert rig.simulator.journal.count(listener="download") == 2
    assert [o["order_id"] for o in await rig.status()] == ["7", "347001"]
    assert (await rig.call("status", "--attention")).out.splitlines()[-1] == "no order needs attention"
    assert (await rig.call("verify")).code == 0


async def test_sidecars_of_both_apis_rebuild_one_order(rigged: Rigged) -> None:
    seconds = [0.0]
    rig = await machine(rigged, seconds=seconds, accounts=V1, orders=ORDERS[:1])
    await quiet_round(rig)
    use(rig, "v2")
    seconds[0] = LATE
    await quiet_round(rig)
    assert {json.loads(path.read_text())["order"] for path in rig.tree.rglob("*.zip.json")} == {"7", "000383"}
    for path in rig.database.parent.iterdir():
        path.unlink()
    assert (await rig.call("rebuild")).code == 0
    (order,) = await rig.status()
    assert (order["order_id"], order["task_id"]) == ("000383", 7)
    for api in ("v2", "v1"):
        use(rig, api)
        await quiet_round(rig)
        assert rig.simulator.journal.count(listener="download") == 2
        assert (await rig.call("verify")).code == 0
        assert len(await rig.status()) == 1


async def test_a_backup_of_v1_takes_up_the_files_of_v2(rigged: Rigged) -> None:
    seconds = [0.0]
    rig = await machine(rigged, seconds=seconds, accounts=V1, orders=ORDERS[:1])
    await quiet_round(rig)
    backup = str(rig.folder / "copy.db")
    assert (await rig.call("backup", "--to", backup)).code == 0
    use(rig, "v2")
    seconds[0] = LATE
    await quiet_round(rig)
    assert (await rig.call("restore", backup)).code == 0
    (order,) = await rig.status()
    assert [d["state"] for c in order["captures"] for d in c["deliveries"]] == ["stored", "stored"]
    await quiet_round(rig)
    assert rig.simulator.journal.count(listener="download") == 2
    assert len(await rig.status()) == 1


async def test_a_watch_by_task_id_finds_the_order_under_its_other_id(rigged: Rigged) -> None:
    rig = await machine(rigged, watch="task_ids = [7]", accounts=V1, orders=ORDERS)
    await quiet_round(rig)
    use(rig, "v2")
    rig.configure("task_ids = [7]")
    rig.simulator.journal.clear()
    await quiet_round(rig)
    assert [(o["order_id"], o["task_id"]) for o in await rig.status()] == [("000383", 7)]
    assert not [one for one in requests(rig) if one.endswith(("/7", "/7/captures"))]
