"""Orders of the v2 API, from the provider's list to the files, on real processes, sockets and files."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from tests.app.app_rig import Rig, Rigged, sha256
from tests.app.v2.v2_kit import NEVER, TAKEN, account, by_name, machine, published, requests
from tests.patience import PATIENCE

LATE = 100.0  # seconds of the scenario
ORDERS = (
    {
        "task_name": "delivered",
        "status": ((0, "in_progress"), (LATE, "completed")),
        "captures": (published(),),
    },
    {
        "task_name": "in vain",
        "status": ((0, "received"), (LATE, "failed")),
        "events": (
            {"at": 0, "type": "OrderAccepted"},
            {"at": LATE, "type": "OrderForceClosed", "message": "cloudy for weeks"},
            {"at": LATE, "type": "OrderArchived"},
        ),
        "captures": ({**TAKEN, "v2_status": ((0, "acquired"), (1, "failed"))},),
    },
    {"task_name": "cancelled", "status": ((0, "in_progress"), (LATE, "canceled"))},
    {"task_name": "no task", "task_appears": NEVER, "status": ((0, "in_progress"),), "captures": (TAKEN,)},
    {"task_name": "image", "sku": "ARCIMG-M.NN.NN", "target": {
        "type": "Polygon", "coordinates": [[[10, 50], [10.1, 50], [10.1, 50.1], [10, 50.1], [10, 50]]]}},
)  # fmt: skip


def numbered(*orders: Mapping[str, object]) -> list[Mapping[str, object]]:
    return [{"task_id": 347001 + number, **order} for number, order in enumerate(orders)]


async def until(rig: Rig, **statuses: str) -> None:
    wanted = {name.replace("_", " "): status for name, status in statuses.items()}
    async with asyncio.timeout(PATIENCE):
        while {name: order["status"].lower() for name, order in (await by_name(rig)).items()} != wanted:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param({"envelope": "features"}, id="features"),
        pytest.param({"envelope": "list", "other_names": True, "letters": "upper"}, id="list"),
        pytest.param(
            {"envelope": "results", "capture_prefix": "cap.", "next": "absolute", "page_max": 2}, id="results"
        ),
    ],
)
async def test_orders_move_are_delivered_fail_and_are_cancelled(
    rigged: Rigged, shape: dict[str, object]
) -> None:
    seconds = [0.0]
    rig = await machine(rigged, seconds=seconds, orders=numbered(*ORDERS), v2=shape)
    daemon = await rig.start("run")
    (stored,) = await rig.until_stored(1)
    assert {stored["scene_id"]: sha256(rig.tree / stored["path"])}.items() <= (await rig.truth()).items()
    await until(
        rig, delivered="in_progress", in_vain="received", cancelled="in_progress", no_task="in_progress"
    )
    seconds[0] = LATE
    await until(rig, delivered="closed", in_vain="closed", cancelled="canceled", no_task="in_progress")
    orders = await by_name(rig)
    assert {name: (o["order_id"], o["task_id"]) for name, o in orders.items()} == {
        "delivered": ("000383", 347001),
        "in vain": ("000384", 347002),
        "cancelled": ("000385", 347003),
        "no task": ("000386", None),
    }
    sidecar = json.loads((rig.tree / f"{stored['path']}.json").read_text(encoding="utf-8"))
    assert (sidecar["order"], sidecar["task"]) == ("000383", 347001)
    assert await rig.terminated(daemon) == 0
    rig.simulator.journal.clear()
    assert (await rig.call("once")).code == 0
    assert rig.simulator.journal.count(listener="download") == 0
    explained = await rig.call("explain", "000384")
    assert "closed: orderforceclosed: cloudy for weeks" in explained.out.lower()
    for shown in (["status"], ["explain", "000386"], ["history", "000386"], ["top"], ["report"]):
        assert "None" not in (await rig.call(*shown)).out


async def test_the_reason_of_an_end_costs_two_requests_once(rigged: Rigged) -> None:
    """The list names only the latest event. A delivered order is not requested again."""
    partly = published(
        deliverables=({"status": ((0, "DELIVERED"),)}, {"status": ((0, "failed"),), "reason": "no L1B today"})
    )
    closed = {
        "events": (
            {"at": 0, "type": "DeliverableFailed", "message": "no L1B today"},
            {"at": LATE, "type": "OrderArchived"},
        )
    }
    order: dict[str, object] = {
        "task_name": "partly",
        "status": ((0, "in_progress"), (LATE, "completed")),
        "captures": (partly,),
    }
    seconds = [0.0]
    rig = await machine(rigged, seconds=seconds, orders=numbered(order | closed))
    assert (await rig.call("once")).code == 0
    assert "GET /v2/orders/000383" not in requests(rig)
    seconds[0] = LATE
    rig.simulator.journal.clear()
    assert (await rig.call("once")).code == 0
    assert (await rig.call("once")).code == 0
    assert [one for one in requests(rig) if one.endswith(("000383", "/events"))] == [
        "GET /v2/orders/000383",
        "GET /v2/orders/000383/events",
    ]
    assert (await by_name(rig))["partly"]["reason"] == "DeliverableFailed: no L1B today"
    assert "closed: DeliverableFailed: no L1B today" in (await rig.call("explain", "347001")).out


async def test_an_order_that_its_events_reject_needs_a_person_who_learns_why(rigged: Rigged) -> None:
    """The list shows it as closed, which alone would mean to wait for late files."""
    order = {
        "task_name": "rejected",
        "v2_status": ((0, "received"), (LATE, "closed")),
        "events": (
            {"at": LATE, "type": "OrderAnalysisFailed", "message": "never above the horizon"},
            {"at": LATE, "type": "OrderArchived"},
        ),
    }
    seconds = [0.0]
    rig = await machine(rigged, seconds=seconds, orders=numbered(order))
    for seconds[0] in (0.0, LATE):
        assert (await rig.call("once")).code == 0
    (concern,) = json.loads((await rig.call("status", "--json")).out)["attention"]
    assert (concern["reason"], concern["order_id"], concern["task_id"]) == ("order_failed", "000383", 347001)
    assert concern["text"] == (
        "Order 000383 (Simulated project / rejected) ended as closed without any delivery: "
        "OrderAnalysisFailed: never above the horizon."
    )
    assert (await rig.call("acknowledge", "--order", "347001")).code == 0
    assert not json.loads((await rig.call("status", "--json")).out)["attention"]


@pytest.mark.parametrize("watch", ['order_ids = ["000384"]', "task_ids = [347002]", 'task_name = "no*"'])
async def test_an_order_is_watched_by_its_id_its_task_or_its_name(rigged: Rigged, watch: str) -> None:
    orders = numbered(
        {"task_name": "other", "captures": (published(),)}, {"task_name": "now", "captures": (published(),)}
    )
    rig = await machine(rigged, watch=watch, orders=orders)
    assert (await rig.call("once")).code == 0
    assert [order["order_id"] for order in await rig.status()] == ["000384"]
    assert [path.parent.parent.name for path in rig.zips()] == ["347002"]


@pytest.mark.parametrize(
    ("apis", "suffixes"),
    [
        (("telluric",), {".zip"}),
        (("deliverables",), {".tif", ".png"}),
        (("deliverables", "telluric"), {".tif", ".png"}),
        (("telluric", "deliverables"), {".zip"}),
    ],
)
async def test_files_come_from_the_configured_apis(
    rigged: Rigged, apis: tuple[str, ...], suffixes: set[str]
) -> None:
    rig = await machine(rigged, accounts=(account(*apis),), orders=numbered({"captures": (published(),)}))
    assert (await rig.call("once")).code == 0
    assert {path.suffix for path in rig.zips()} == suffixes
    assert (await rig.call("verify")).code == 0


async def test_deliverables_come_where_telluric_has_nothing(rigged: Rigged) -> None:
    bare = published(scenes=(), deliverables=({},))
    rig = await machine(
        rigged,
        accounts=(account("telluric", "deliverables"),),
        orders=numbered({"captures": (bare, published())}),
    )
    assert (await rig.call("once")).code == 0
    assert sorted(path.suffix for path in rig.zips()) == [".png", ".png", ".tif", ".tif", ".zip"]


async def test_a_late_deliverable_of_a_closed_order_and_a_repeated_capture_come(rigged: Rigged) -> None:
    failed = {"status": ((0, "failed"),), "reason": "clouds"}
    order = {"status": ((0, "completed"),), "captures": (failed, published(at=LATE))}
    seconds = [0.0]
    rig = await machine(rigged, seconds=seconds, orders=numbered(order))
    assert (await rig.call("once")).code == 0
    assert rig.zips() == []
    seconds[0] = LATE
    await rig.start("run")
    (stored,) = await rig.until_stored(1)
    (shown,) = await rig.status()
    assert (shown["status"], shown["state"], stored["state"]) == ("closed", "settling", "stored")
    assert (await rig.call("status", "--attention")).out.splitlines()[-1] == "no order needs attention"


async def test_a_cancellation_that_flaps_stays_one(rigged: Rigged) -> None:
    order = {"task_name": "cancelled", "status": ((0, "in_progress"), (0, "canceled"))}
    seconds = [1.0]
    rig = await machine(rigged, seconds=seconds, orders=numbered(order), v2={"cancel_flap": (LATE, 600)})
    assert (await rig.call("once")).code == 0
    seconds[0] = LATE + 1
    assert (await rig.call("once")).code == 0
    (shown,) = await rig.status()
    assert (shown["status"], shown["state"]) == ("in_progress", "settling")
