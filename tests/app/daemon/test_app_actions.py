"""People act beside a running daemon: it stops, continues, polls and retries within a second."""

import json
import time
from pathlib import Path

import pytest
from tests.app.app_rig import Facts, Rig, Rigged, sha256

from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene

WATCH = 'task_name = "*"'
SILENT = '[http]\nlisten = ""'


def _scenario(published: float = 0, size: str = "20 kB") -> Scenario:
    capture = Capture(status=((published, "published"),), scenes=(Scene(size=size),))
    order = Order(task_id=7, status=((0, "in_progress"),), captures=(capture,))
    return Scenario.model_validate({"orders": (order,), "downloads": {"rate": "1 MB"}})


async def test_a_paused_download_keeps_its_partial_and_continues_after_a_restart(
    rigged: Rigged,
) -> None:
    rig = await rigged(_scenario(size="4 MB"))
    rig.configure(WATCH, more=SILENT)
    daemon = await rig.start("run")
    await rig.until(_receiving)

    paused = json.loads((await rig.call("pause", "--json")).out)
    assert (paused["paused"]["account"], paused["daemon_running"]) == (None, True)
    (held,) = await rig.until(lambda found: {d["state"] for d in found} == {"wanted"})
    assert held["received"] > 0
    assert any(path.stat().st_size >= held["received"] for path in _partials(rig))
    status = await rig.call("status", "--check")
    assert status.code == 1
    assert status.out.startswith("Downloads are paused since ")
    assert "all is well" not in (await rig.call("top")).out

    assert await rig.terminated(daemon) == 0
    daemon = await rig.start("run")
    await rig.until(lambda _: _logged(rig, "pause.in_force") == 1)
    assert (
        await rig.call("refresh", "--order", "7")
    ).out == "account main, order 7: polled 1 order, no changes\n"
    assert [(d["state"], d["received"]) for d in await rig.deliveries()] == [("wanted", held["received"])]

    assert (await rig.call("resume")).out == "downloads are resumed\n"
    await rig.until_stored(1)
    assert sha256(rig.zips()[0]) in (await rig.truth()).values()
    started = [event["held"] for event in rig.events() if event["event"] == "download.started"]
    assert started == [0, held["received"]]
    assert (await rig.call("status", "--check")).code == 0
    assert await rig.terminated(daemon) == 0


async def test_a_refresh_polls_at_once_and_reports_what_it_found(rigged: Rigged) -> None:
    later = [0.0]
    rig = await rigged(_scenario(published=10_000), lambda: time.monotonic() + later[0])
    rig.configure(WATCH, more=SILENT)
    _edit(rig, 'interval = "300ms"', 'interval = "1h"')
    nobody = await rig.call("refresh")
    assert (nobody.code, "there is no database" in nobody.err) == (3, True)
    daemon = await rig.start("run")
    await rig.until(lambda _: _logged(rig, "order.changed") == 1)

    assert (await rig.call("refresh")).out == "account main: polled 1 order (1 listed), no changes\n"
    later[0] = 20_000
    [found] = json.loads((await rig.call("refresh", "--json")).out)["refreshed"]
    assert (found["account"], found["done"], found["polled"]) == ("main", True, 1)
    assert found["changes"] == 2  # the capture, and the delivery
    await rig.until_stored(1)
    assert await rig.terminated(daemon) == 0
    after = await rig.call("refresh")
    assert (after.code, after.err) == (
        1,
        "orderwatch: no daemon is running; to poll and download once: orderwatch once\n",
    )


@pytest.mark.long
async def test_a_paused_account_is_neither_polled_nor_refreshed_and_once_names_the_pause(
    rigged: Rigged,
) -> None:
    rig = await rigged(_scenario())
    rig.configure(WATCH, more=SILENT)
    assert (await rig.call("migrate")).code == 0
    assert (await rig.call("pause", "--account", "main")).code == 0
    assert "unknown account 'other'" in (await rig.call("pause", "--account", "other")).err
    once = await rig.call("once")
    assert once.code == 1
    assert "\norderwatch: account main is paused since " in once.err
    daemon = await rig.start("run")
    await rig.until(lambda _: _logged(rig, "pause.in_force") == 1)
    refresh = await rig.call("refresh", "--json")
    assert refresh.code == 1
    assert "To continue: orderwatch resume --account main" in refresh.out
    assert _logged(rig, "order.changed") == 0
    assert (await rig.call("resume")).out.startswith(
        "the downloads are not paused\nAccount main is paused since"
    )
    assert (await rig.call("resume", "--account", "main")).out == "account main is resumed\n"
    await rig.until_stored(1)
    assert await rig.terminated(daemon) == 0


def _receiving(found: list[Facts]) -> bool:
    return any(d["received"] for d in found)


def _partials(rig: Rig) -> list[Path]:
    return [path for path in (rig.tree / ".orderwatch").rglob("*") if path.is_file()]


def _logged(rig: Rig, event: str) -> int:
    return [e["event"] for e in rig.events()].count(event) if rig.log.exists() else 0


def _edit(rig: Rig, before: str, after: str) -> None:
    text = rig.config.read_text(encoding="utf-8")
    assert before in text
    rig.config.write_text(text.replace(before, after), encoding="utf-8")
