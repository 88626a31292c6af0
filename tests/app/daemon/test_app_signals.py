"""Signals at bad moments: a stop is a stop, a reload is taken up, and neither leaves a traceback."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from tests.app.app_rig import Facts, Rig, Rigged
from tests.forks import Running
from tests.patience import PATIENCE

from orderwatch.db.lock import exclusive_lock
from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene

WATCH = 'task_name = "*"'


async def test_a_download_goes_on_while_the_configuration_is_taken_up_twice(rigged: Rigged) -> None:
    rig = await rigged(_slow())
    rig.configure(WATCH)
    daemon = await rig.start("run")
    await rig.until(_receiving)
    for reloads, rate in ((1, "5 MB"), (2, "0")):
        rig.configure(WATCH, delivery=f'bandwidth = "{rate}"\nparallel = 1\nretry_max = "1h"')
        daemon.send_signal(signal.SIGHUP)
        await _until_logged(rig, "config.reloaded", times=reloads)
    await rig.until_stored(1)
    assert [move["after"] for move in await rig.history(7) if move["subject"] == "delivery"] == [
        "wanted",
        "fetching",
        "stored",
    ]
    assert daemon.returncode is None
    assert await rig.terminated(daemon) == 0


async def test_status_says_whether_a_daemon_runs_whatever_became_of_it(rigged: Rigged) -> None:
    rig = await rigged(_slow())
    rig.configure(WATCH, delivery='bandwidth = "1 MB"')
    daemon = await rig.start("run")
    await _until_logged(rig, "order.changed")
    beside = await rig.call("status", "--json")
    assert json.loads(beside.out)["daemon"]["running"] is True
    daemon.kill()
    await daemon.wait()
    after = json.loads((await rig.call("status", "--json")).out)["daemon"]
    assert (after["running"], after["last_alive_at"] is None) == (False, False)
    for command in (("status",), ("top",), ("explain", "7")):
        first = (await rig.call(*command)).out.splitlines()[0]
        assert first.startswith("No daemon is running. Last sign of life: "), command
    assert "No daemon" not in beside.out


async def test_a_tree_of_another_daemon_is_refused_and_the_daemon_goes_on(rigged: Rigged) -> None:
    rig = await rigged(_slow())
    rig.configure(WATCH)
    daemon = await rig.start("run")
    await _until_logged(rig, "order.changed")
    held = rig.folder / "held"
    (held / ".orderwatch").mkdir(parents=True)
    with exclusive_lock(held / ".orderwatch" / "tree"):
        _edit(rig, f'root = "{rig.tree}"', f'root = "{held}"')
        daemon.send_signal(signal.SIGHUP)
        await _until_logged(rig, "config.refused")
    await rig.until_stored(1)
    assert len(rig.zips()) == 1
    assert await rig.terminated(daemon) == 0


async def test_a_reload_does_not_undo_a_stop(rigged: Rigged) -> None:
    rig = await rigged(_slow())
    rig.configure(WATCH)
    daemon = await rig.start("run")
    await rig.until(_receiving)
    daemon.send_signal(signal.SIGTERM)
    await _until_logged(rig, "daemon.stopping")
    daemon.send_signal(signal.SIGHUP)
    assert await rig.ended(daemon) == 0
    assert _logged(rig, "config.reloaded") == 0


@pytest.mark.long
async def test_another_database_needs_a_restart(rigged: Rigged) -> None:
    rig = await rigged(_slow())
    rig.configure(WATCH)
    daemon = await rig.start("run")
    await rig.until(_receiving)
    _edit(rig, "orderwatch.db", "other.db")
    daemon.send_signal(signal.SIGHUP)
    await _until_logged(rig, "config.refused")
    (refused,) = [e for e in rig.events() if e["event"] == "config.refused"]
    assert refused["problems"] == ["database.url: needs a restart"]
    assert await rig.terminated(daemon) == 0
    assert not rig.database.with_name("other.db").exists()


@pytest.mark.long
async def test_a_reload_takes_up_the_log_too(rigged: Rigged) -> None:
    rig = await rigged(_slow())
    rig.configure("task_ids = [8]")
    daemon = await rig.start("run")
    await _until_logged(rig, "order.changed")
    _edit(rig, 'level = "debug"', 'level = "warning"')
    _edit(rig, "task_ids = [8]", "task_ids = [7]")
    daemon.send_signal(signal.SIGHUP)
    await rig.until(_receiving)
    assert await rig.terminated(daemon) == 0
    assert _logged(rig, "config.reloaded") == 1
    assert _logged(rig, "download.started") == _logged(rig, "daemon.stopped") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_daemon_stopped_before_it_works_ends_with_0(rigged: Rigged, number: signal.Signals) -> None:
    rig = await rigged(_slow())
    daemon = await _reading_its_configuration(rig, "run")
    daemon.send_signal(number)
    assert await rig.ended(daemon) == 0
    assert rig.log.read_text(encoding="utf-8") == ""


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="interrupts are ignored here")
async def test_an_interrupted_command_ends_with_130_and_no_traceback(rigged: Rigged) -> None:
    rig = await rigged(_slow())
    command = await _reading_its_configuration(rig, "status")
    command.send_signal(signal.SIGINT)
    assert await rig.ended(command) == 130
    assert rig.log.read_text(encoding="utf-8").strip() == ""


async def _reading_its_configuration(rig: Rig, command: str) -> Running:
    """The command, held up at a configuration that never comes."""
    os.mkfifo(rig.config)
    process = await rig.start(command)
    async with asyncio.timeout(PATIENCE):
        while not _has_reader(rig.config):
            await asyncio.sleep(0.02)
    return process


def _has_reader(pipe: Path) -> bool:
    """Opens the pipe for good: closing it would end what the reader waits for."""
    try:
        os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    return True


def _slow() -> Scenario:
    capture = Capture(status=((0, "published"),), scenes=(Scene(size="5 MB"),))
    order = Order(task_id=7, status=((0, "in_progress"),), captures=(capture,))
    return Scenario.model_validate({"orders": (order,), "downloads": {"rate": "1 MB"}})


def _receiving(found: list[Facts]) -> bool:
    return any(d["received"] for d in found)


def _edit(rig: Rig, before: str, after: str) -> None:
    text = rig.config.read_text(encoding="utf-8")
    assert before in text
    rig.config.write_text(text.replace(before, after), encoding="utf-8")


def _logged(rig: Rig, event: str) -> int:
    return [e["event"] for e in rig.events()].count(event) if rig.log.exists() else 0


async def _until_logged(rig: Rig, event: str, times: int = 1) -> None:
    await rig.until(lambda _: _logged(rig, event) >= times)
