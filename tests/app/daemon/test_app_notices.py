"""What the service manager is told over the daemon's life."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.app_rig import Rigged
from tests.app.faults_kit import SCENES, at_work, stage, story
from tests.patience import PATIENCE

from orderwatch.simulator.scenario import Order, Scenario


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(f"{tmp_path}/notify")
        yield listener


async def test_readiness_reload_and_stop_are_told_in_their_order(
    rigged: Rigged, manager: socket.socket
) -> None:
    """A reload that is refused is over as well."""
    rig = await rigged(Scenario(orders=(Order(task_id=7, status=((0, "in_progress"),)),)))
    rig.environment["NOTIFY_SOCKET"] = manager.getsockname()
    rig.configure("task_ids = [7]")
    daemon = await rig.start("run")
    await _told(manager, "READY=1")
    daemon.send_signal(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in await _told(manager, "RELOADING=1"))
    await _told(manager, "READY=1")
    good = rig.config.read_text(encoding="utf-8")
    rig.config.write_text(good.replace("/state/orderwatch.db", "/other/orderwatch.db"), encoding="utf-8")
    daemon.send_signal(signal.SIGHUP)
    await _told(manager, "RELOADING=1")
    await _told(manager, "READY=1")
    assert [e["event"] for e in rig.events() if e["event"].startswith("config.")] == [
        "config.reloaded",
        "config.refused",
    ]
    daemon.send_signal(signal.SIGTERM)
    await _told(manager, "STOPPING=1")
    assert await rig.ended(daemon) == 0


async def test_the_watchdog_is_fed_while_all_make_progress_and_the_status_has_counts(
    tmp_path: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setattr("orderwatch.app.daemon.monitor._STATUS_INTERVAL_SECONDS", 0.05)
    heard: list[str] = []
    asyncio.get_running_loop().add_reader(manager, lambda: heard.append(manager.recv(4096).decode()))

    async def comes(wanted: str) -> None:
        heard.clear()
        async with asyncio.timeout(PATIENCE):
            while wanted not in heard:
                await asyncio.sleep(0.01)

    async with stage(tmp_path, story()) as scene, at_work(scene):
        await comes("WATCHDOG=1")
        await comes(f"STATUS=1 orders open, 0 deliveries to come, {SCENES} stored; all is well")
        with scene.daemon.resources.monitoring.live.liveness.worker("hanging", limit=-1):
            await scene.sweeps(1)  # one notice may have been under way
            heard.clear()
            await comes(f"STATUS=1 orders open, 0 deliveries to come, {SCENES} stored; all is well")
            assert "WATCHDOG=1" not in heard
            assert (await scene.page("/healthz"))[0] == 503
        await comes("WATCHDOG=1")
    asyncio.get_running_loop().remove_reader(manager)


async def _told(manager: socket.socket, wanted: str) -> list[str]:
    """The lines of the next notice that moves the state; it has to be the one that is wanted."""
    states = {"READY=1", "RELOADING=1", "STOPPING=1"}
    async with asyncio.timeout(PATIENCE):
        while True:
            lines = (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode().split("\n")
            if found := states.intersection(lines):
                assert found == {wanted}
                return lines
