"""The tracking half as a process: outages, restarts, rotated secrets, clocks, watches, explanations."""

import asyncio
import json
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.app.app_rig import Rig, Rigged
from tests.patience import PATIENCE

from orderwatch.service.clock import utc_now
from orderwatch.simulator.scenario import Order, Scenario
from orderwatch.simulator.server import Simulator

ALL = 'task_name = "*"'
SECRET = 'client_secret = "sim-secret"'
LIST = "/tasking/tasks/"


def published(task_id: int, after: float = 0.0, **more: object) -> Order:
    """One capture, published after so many seconds, with one small zip."""
    captures = [{"status": [[0, "captured"], [after, "published"]], "scenes": [{"size": 20_000 + task_id}]}]
    facts = {"task_id": task_id, "status": [[0, "in_progress"]], "captures": captures}
    return Order.model_validate(facts | more)


async def test_an_outage_is_one_warning_and_one_recovery_even_over_a_restart(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(published(1),)))
    rig.configure(ALL)
    daemon = await rig.start("run")
    await rig.until_stored(1)
    rig.simulator.outage = True
    rig.simulator._replace_scenario(Scenario(orders=(published(1), published(2))))
    await logged(rig, "account.unavailable")
    assert await rig.terminated(daemon) == 0
    daemon = await rig.start("run")
    await logged(rig, "account.still_troubled")
    rig.simulator.outage = False
    await rig.until_stored(2)
    assert await rig.terminated(daemon) == 0
    said = [e["event"] for e in rig.events() if e["event"] in {"account.unavailable", "account.recovered"}]
    assert said == ["account.unavailable", "account.recovered"]


@pytest.mark.long
async def test_restarts_inside_an_outage_do_not_hammer(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(published(1),)))
    rig.configure(ALL)
    rig.config.write_text(rig.config.read_text().replace("300ms", "60s"))
    rig.simulator.outage = True
    daemon = await rig.start("run")
    await logged(rig, "account.unavailable")
    asked = len(rig.simulator.journal)
    for number in range(1, 5):
        assert await rig.terminated(daemon) == 0
        daemon = await rig.start("run")
        await logged(rig, "account.still_troubled", times=number)
    assert len(rig.simulator.journal) == asked


async def test_a_secret_that_was_rotated_in_its_file_is_taken_up_without_a_restart(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(published(1),)))
    rig.configure(ALL)
    secret = rig.folder / "secret"
    secret.write_text("sim-secret")
    rig.config.write_text(rig.config.read_text().replace(SECRET, f'client_secret = "file:{secret}"'))
    daemon = await rig.start("run")
    await rig.until_stored(1)
    rig.simulator._replace_scenario(Scenario(orders=(published(1), published(2))))
    rig.simulator.rotate("main", "canary-rotated")
    rig.simulator.revoke_tokens()
    await logged(rig, "account.refused")
    secret.write_text("canary-rotated")
    await rig.until_stored(2)
    await logged(rig, "account.recovered")
    assert await rig.terminated(daemon) == 0
    assert "canary-rotated" not in rig.log.read_text()


async def test_a_host_whose_clock_is_hours_behind_says_so_and_goes_by_the_provider(rigged: Rigged) -> None:
    ahead = 5 * 3600.0
    rig = await rigged(Scenario(orders=(published(1),), clock_ahead=ahead))
    rig.configure(ALL)
    daemon = await rig.start("run")
    await rig.until_stored(1)
    assert await rig.terminated(daemon) == 0
    (said,) = [e for e in rig.events() if e["event"] == "clock.wrong"]
    assert said["ahead_seconds"] == pytest.approx(-ahead, abs=60)
    stored = [move for move in await rig.history(1) if move["after"] == "stored"]
    assert stored[0]["at"] > (utc_now() + timedelta(hours=4)).isoformat()


async def test_a_watch_may_have_a_tree_a_layout_and_attachments_of_its_own(rigged: Rigged) -> None:
    rig = await rigged(
        Scenario(orders=(published(1, project_name="Usual"), published(2, project_name="Special")))
    )
    own = rig.folder / "special"
    rig.configure(
        f'project_name = "*"\n[[watch]]\naccount = "main"\nproject_name = "Spec*"\n[watch.delivery]\n'
        f'root = "{own}"\nlayout = "{{attachment}}/{{file_name}}"\nattachments = ["delivery_zip", "preview"]'
    )
    assert (await rig.call("once")).code == 0
    found = await rig.deliveries()
    assert sorted((d["name"], d["root"] or "") for d in found) == [
        ("delivery_zip", ""),
        ("delivery_zip", str(own)),
        ("preview", str(own)),
    ]
    for delivery in found:
        root = Path(delivery["root"] or rig.tree)
        assert (root / delivery["path"]).stat().st_size == delivery["size"]
    assert {path.name for path in own.iterdir()} == {".orderwatch", "delivery_zip", "preview"}


@pytest.mark.long
async def test_idle_orders_cost_list_pages_only(rigged: Rigged) -> None:
    days = 86_400.0
    idle = tuple(Order(task_id=n, start=10 * days, end=20 * days) for n in range(1, 301))
    rig = await rigged(Scenario(orders=idle))
    rig.configure(ALL)
    daemon = await rig.start("run")
    await until(lambda: rig.simulator.journal.count(path=LIST) > 30)
    assert await rig.terminated(daemon) == 0
    assert {e.path for e in rig.simulator.journal} == {"/oauth/token", LIST}
    assert len(await rig.status()) == 300


async def test_explain_tells_the_chain_of_evidence(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(published(1), published(2, after=9000))))
    rig.configure(ALL)
    assert (await rig.call("once")).code == 0
    for task_id, awaited in ((1, "a recent change"), (2, "a recent change")):
        ended = await rig.call("explain", str(task_id))
        assert ended.code == 0
        for words in ("provider", "in_progress", "watched", "awaited", awaited, "next poll", "space"):
            assert words in ended.out
    (facts,) = json.loads((await rig.call("explain", "1", "--json")).out)["orders"]
    assert facts["watched_by"] == ["task_name = '*'"]
    assert {line["topic"] for line in facts["evidence"]} >= {"provider", "next poll", "awaited"}
    unknown = await rig.call("explain", "99")
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.startswith("orderwatch: order 99 is unknown: no order with that id has been seen; ")


async def test_explain_tells_of_an_account_that_is_refused(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(published(1),)))
    rig.configure(ALL)
    assert (await rig.call("once")).code == 0
    rig.simulator.set_contract(contract_of(rig.simulator), status="SUSPENDED")
    assert (await rig.call("once")).code == 4
    ended = await rig.call("explain", "1")
    assert "refused since" in ended.out
    assert "'SUSPENDED', not 'ACTIVE'" in ended.out


async def test_a_reload_after_the_cause_was_mended_asks_at_once(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=(published(1),)))
    rig.configure(ALL)
    good = rig.config.read_text()
    rig.config.write_text(good.replace(SECRET, 'client_secret = "wrong"'))
    daemon = await rig.start("run")
    await logged(rig, "account.refused")
    rig.config.write_text(good)
    daemon.send_signal(signal.SIGHUP)
    await rig.until_stored(1)
    assert await rig.terminated(daemon) == 0


def contract_of(simulator: Simulator) -> str:
    return simulator.scenario.accounts[0].contracts[0].contract_id


async def logged(rig: Rig, event: str, times: int = 1) -> None:
    await until(lambda: [e["event"] for e in rig.events()].count(event) >= times)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not reached():
            await asyncio.sleep(0.05)
