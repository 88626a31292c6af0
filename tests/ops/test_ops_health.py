"""Sound is the process; ready is who can also store what is published."""

import sqlite3
from pathlib import Path

from tests.logs import events
from tests.ops.observation_kit import Lasting, Observed
from tests.service.service_kit import house, told

from orderwatch.core.formatting import format_bytes_pair
from orderwatch.core.model import DeliveryState
from orderwatch.errors import RefusedError, UnavailableError
from orderwatch.simulator import Scenario

__all__ = ["events"]

ONE = Scenario(orders=(told(41, {"size": 5000}),))


async def test_a_process_at_work_is_sound_and_an_outage_is_no_sickness(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        observed.open()
        await h.tools["main"].breaker.on_failure(UnavailableError("no answer"))
        assert await observed.health.soundness() == {"ok": True, "reasons": []}


async def test_who_is_late_or_a_loop_that_is_behind_is_named(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        with observed.live.liveness.worker("poller main", limit=60):
            observed.steady += 100
            report = await observed.health.soundness()
        assert report["reasons"] == [
            "event loop: 99.0 s behind",
            "poller main: no progress since 100 s",
        ]
        assert report["ok"] is False


async def test_a_database_that_another_one_holds_is_told_without_waiting_long(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        observed.open()
        assert observed.live.work is not None
        other = sqlite3.connect(str(observed.live.work.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        report = await observed.health.soundness()
        assert report["reasons"] == ["database: no transaction within 0 s"]
        other.rollback()
        assert observed.health._writing is not None
        await observed.health._writing[1]
        assert (await observed.health.soundness())["ok"] is True
        other.close()


async def test_ready_is_who_has_an_account_that_was_accepted(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed, breaker = Observed(h), h.tools["main"].breaker
        assert (await observed.health.readiness())["reasons"] == ["starting"]
        observed.open()
        assert (await observed.health.readiness())["reasons"] == ["account main: not requested yet"]
        await breaker.on_success()
        assert (await observed.health.readiness())["ok"] is True
        await breaker.on_failure(UnavailableError("no answer"))
        assert (await observed.health.readiness())["ok"] is True
        await breaker.on_failure(RefusedError("the credentials are refused"))
        assert (await observed.health.readiness())["reasons"] == ["account main: the credentials are refused"]


async def test_ready_is_who_can_write_and_problems_are_shown(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed, tools = Observed(h), h.tools["main"]
        observed.open()
        await tools.breaker.on_success()
        observed.problems.append(Lasting("tree.unusable", h.time.now()))
        tools.trees[None].volume.close()
        assert await observed.health.readiness() == {
            "ok": False,
            "reasons": [f"{h.root}: is not writable"],
            "problems": [{"event": "tree.unusable", "began_at": "2026-11-22T12:00:00Z"}],
        }


async def test_ready_is_who_has_room(tmp_path: Path) -> None:
    async with house(tmp_path, ONE) as h:
        observed = Observed(h)
        observed.open()
        await h.tools["main"].breaker.on_success()
        await h.tools["main"].trees[None].volume.ready()
        assert (await observed.health.readiness())["ok"] is True
        h.disk.size = 0
        reasons = (await observed.health.readiness())["reasons"]
        assert reasons == [f"{h.root}: no room: the disk is as full as keep_free allows"]
        assert (await observed.health.soundness())["ok"] is True


async def test_ready_is_who_has_room_for_what_is_parked(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(41, {"size": 60_000}),))) as h:
        observed = Observed(h)
        observed.open()
        await h.look()
        await h.tools["main"].breaker.on_success()
        await h.tools["main"].trees[None].volume.ready()
        h.disk.size = 10_000
        assert (await observed.health.readiness())["ok"] is True
        parked = await h.fetch()
        assert parked.state is DeliveryState.PARKED
        needed, left = format_bytes_pair(parked.total or 0, 10_000)
        report = await observed.health.readiness()
        assert (report["ok"], report["reasons"]) == (
            False,
            [f"{h.root}: a delivery needs {needed}, and {left} may be written"],
        )
        h.disk.size = 10**6
        assert (await observed.health.readiness())["ok"] is True
