"""A tree that cannot be used parks its deliveries, is said once, and is taken up again by itself."""

import os
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import MINUTE, House, house, told

from orderwatch.core.model import DeliveryState
from orderwatch.db.lock import exclusive_lock
from orderwatch.db.repositories import open_store
from orderwatch.errors import DatabaseError, DiskError, LockedError
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.simulator import Scenario
from orderwatch.transfer.tree.destination import FilesystemDestination

PARKED, STORED = DeliveryState.PARKED, DeliveryState.STORED
SAID = ("tree.unusable", "tree.usable")


def scenes(*sizes: int) -> Scenario:
    return Scenario.model_validate({"orders": (told(41, *({"size": size} for size in sizes)),)})


def said(events: LogCapture) -> list[str]:
    return [entry["event"] for entry in events.entries if entry["event"] in SAID]


def asked_for_links(h: House) -> int:
    return len(h.simulator.journal.find(listener="api"))


def lost(h: House) -> Path:
    """The volume is unmounted: what lies below is another, empty folder."""
    aside = h.root.with_name("volume")
    h.root.rename(aside)
    h.root.mkdir()
    return aside


def found(h: House, aside: Path) -> None:
    h.root.rmdir()  # also proves that nothing was written into it
    aside.rename(h.root)


def follow(advice: str) -> None:
    subprocess.run(["sh", "-c", advice], check=True)


async def test_an_unmounted_volume_parks_and_nothing_is_written_in_its_place(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, scenes(5000, 5000)) as h:
        await h.look()
        aside = lost(h)
        asked = asked_for_links(h)
        for _ in range(3):
            await h.fetch_all()
            h.time.move(2 * MINUTE)
        assert [d.state for d in await h.deliveries()] == [PARKED, PARKED]
        (reason,) = {d.reason or "" for d in await h.deliveries()}
        marker = (aside / ".orderwatch" / "volume").read_text().strip()
        assert f"not mounted at {h.root}: its marker is missing" in reason
        assert f"echo {marker} > {h.root}/.orderwatch/volume" in reason
        assert asked_for_links(h) == asked
        assert said(events) == ["tree.unusable"]
        found(h, aside)
        await h.fetch_all()
        await h.assert_all_stored()
        assert said(events) == ["tree.unusable", "tree.usable"]


async def test_another_volume_in_its_place_is_left_alone(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(5000)) as h:
        await h.look()
        h.root.rename(h.root.with_name("volume"))
        other = h.root / ".orderwatch" / "volume"
        other.parent.mkdir(parents=True)
        other.write_text("another\n")
        parked = await h.fetch()
        assert "another volume is mounted there" in (parked.reason or "")
        assert sorted(h.root.rglob("*")) == [other.parent, other]


async def test_the_advice_for_a_volume_that_was_replaced_works(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(5000)) as h:
        await h.look()
        shutil.rmtree(h.root)
        parked = await h.fetch()
        assert parked.state is PARKED
        (_, advice) = (parked.reason or "").split("if you replaced it on purpose, run: ")
        follow(advice)
        h.time.move(2 * MINUTE)
        await h.fetch_all()
        await h.assert_all_stored()


async def test_a_tree_of_an_earlier_version_is_adopted_with_what_it_holds(tmp_path: Path) -> None:
    staging = tmp_path / "deliveries" / ".orderwatch"
    (staging / "partial").mkdir(parents=True)
    async with house(tmp_path, scenes(5000)) as h:
        assert await h.store.deliveries.volume(str(h.root)) == (staging / "volume").read_text().strip()


async def test_a_second_database_adopts_the_marker_that_is_there(tmp_path: Path) -> None:
    marker = tmp_path / "deliveries" / ".orderwatch" / "volume"
    marker.parent.mkdir(parents=True)
    marker.write_text("made before\n")
    async with house(tmp_path, scenes(5000)) as h:
        assert await h.store.deliveries.volume(str(h.root)) == "made before"
        await h.look()
        await h.fetch_all()
        await h.assert_all_stored()


async def test_a_read_only_volume_parks_before_the_provider_is_asked(
    tmp_path: Path, events: LogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path, scenes(5000)) as h:
        await h.look()
        asked = asked_for_links(h)
        with monkeypatch.context() as patch:
            patch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
            parked = await h.fetch()
        assert (parked.state, asked_for_links(h)) == (PARKED, asked)
        assert "Read-only file system" in (parked.reason or "")
        h.time.move(2 * MINUTE)
        await h.fetch_all()
        await h.assert_all_stored()
        assert said(events) == ["tree.unusable", "tree.usable"]


async def test_a_tree_that_fails_at_a_start_is_taken_up_later_and_swept_then(
    tmp_path: Path, database: Path, events: LogCapture
) -> None:
    root = tmp_path / "root"
    root.write_bytes(b"in the way")
    destination = FilesystemDestination(root)
    async with open_store(database) as store:
        volume = MountGuard(
            str(root), destination, store, lambda: exclusive_lock(root / ".orderwatch" / "tree")
        )
        await volume.open()
        with pytest.raises(DiskError):
            await volume.ready()
        root.unlink()
        destination.partials.mkdir(parents=True)
        (destination.partials / "unknown.part").touch()
        await volume.ready()
        assert said(events) == ["tree.unusable", "tree.usable"]
        assert not list(destination.partials.iterdir())
        (destination.partials / "of-an-attempt.part").touch()
        volume.close()
        await volume.ready()
        assert list(destination.partials.iterdir())
        volume.close()


async def test_a_tree_of_another_daemon_stops_a_start_and_parks_later(
    tmp_path: Path, database: Path, events: LogCapture
) -> None:
    root = tmp_path / "root"
    async with open_store(database) as store:

        def lock() -> AbstractContextManager[None]:
            return exclusive_lock(root / ".orderwatch" / "tree")

        volume = MountGuard(str(root), FilesystemDestination(root), store, lock)
        (root / ".orderwatch").mkdir(parents=True)
        with lock():
            with pytest.raises(LockedError):
                await volume.open()
            with pytest.raises(DiskError, match="another daemon already holds"):
                await volume.ready()
        assert not (root / ".orderwatch" / "volume").exists()
        await volume.ready()
        with pytest.raises(LockedError), lock():
            pytest.fail("it is held")
        volume.close()
        with lock():
            assert said(events) == ["tree.unusable", "tree.usable"]


async def test_a_lock_that_cannot_be_taken_is_a_trouble_of_the_disk(tmp_path: Path, database: Path) -> None:
    def failing() -> AbstractContextManager[None]:
        raise DatabaseError("the lock cannot be opened")

    async with open_store(database) as store:
        volume = MountGuard("root", FilesystemDestination(tmp_path / "root"), store, failing)
        await volume.open()
        with pytest.raises(DiskError, match="the lock cannot be opened"):
            await volume.ready()


async def test_a_small_delivery_does_not_wait_behind_large_ones_that_have_no_room(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(60_000, 70_000, 8000)) as h:
        h.disk.size = 1
        await h.look()
        await h.fetch_all()
        assert {d.state for d in await h.deliveries()} == {PARKED}
        assert {d.total is None for d in await h.deliveries()} == {False}
        h.time.move(2 * MINUTE)
        h.disk.size = 20_000
        await h.fetch_all()
        by_total = sorted(await h.deliveries(), key=lambda d: d.total or 0)
        assert [d.state for d in by_total] == [STORED, PARKED, PARKED]


async def test_a_full_disk_does_not_make_us_ask_the_provider(tmp_path: Path, events: LogCapture) -> None:
    async with house(tmp_path, scenes(60_000)) as h:
        h.disk.size = 10_000
        await h.look()
        assert (await h.fetch()).state is PARKED  # its length is known now
        asked = asked_for_links(h)
        for _ in range(3):
            h.time.move(2 * MINUTE)
            assert "no space" in ((await h.fetch()).reason or "")
        h.disk.size = 0
        h.time.move(2 * MINUTE)
        await h.fetch()
        assert asked_for_links(h) == asked
        levels = [e["log_level"] for e in events.entries if e["event"] == "delivery.parked"]
        assert levels == ["warning", *["debug"] * 4]


async def test_nothing_is_asked_for_a_file_of_unknown_length_where_nothing_may_be_written(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, scenes(60_000)) as h:
        h.disk.size = 0
        await h.look()
        asked = asked_for_links(h)
        assert (await h.fetch()).state is PARKED
        assert asked_for_links(h) == asked
