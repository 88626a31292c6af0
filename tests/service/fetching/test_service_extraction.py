"""`extract = true`: a folder beside each zip, through crashes, stops and full disks; the zip comes first."""

import asyncio
import os
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import MINUTE, USUAL, House, house, told, watching

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.core.orders.watches import Watch
from orderwatch.simulator import Scenario
from orderwatch.transfer.zip import extract as extracting
from orderwatch.transfer.zip import plan, reader
from orderwatch.transfer.zip.member import Member

STORED, WANTED, PARKED = DeliveryState.STORED, DeliveryState.WANTED, DeliveryState.PARKED
SIZE = 300_000
SCENARIO = Scenario(orders=(told(41, {"size": SIZE}),))


def extract_all(h: House, *, attachments: WantedAttachments = USUAL.attachments) -> None:
    usual = replace(USUAL, extract=True, attachments=attachments)
    h.tools["main"] = replace(h.tools["main"], watched=watching(Watch(project_name="*"), usual=usual))


@pytest.fixture
async def h(tmp_path: Path) -> AsyncIterator[House]:
    """With one delivery that is wanted as a folder too."""
    async with house(tmp_path, SCENARIO) as opened:
        extract_all(opened)
        await opened.look()
        yield opened


def folder_of(h: House, delivery: Delivery) -> Path:
    assert delivery.path is not None
    return h.root / delivery.path.removesuffix(".zip")


def assert_extracted(h: House, delivery: Delivery) -> None:
    """Zip and folder hold the same, and nothing is left over."""
    folder = folder_of(h, delivery)
    with zipfile.ZipFile(h.root / (delivery.path or "")) as archive:
        expected = {name: archive.read(name) for name in archive.namelist()}
    assert {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } == expected
    assert sorted(path.name for path in folder.parent.iterdir()) == [
        folder.name, f"{folder.name}.zip", f"{folder.name}.zip.json",
    ]  # fmt: skip
    assert not h.partials
    assert not work_of(h)


def work_of(h: House) -> list[Path]:
    work = h.root / ".orderwatch" / "extract"
    return list(work.iterdir()) if work.exists() else []


def said(events: LogCapture, name: str) -> list[MutableMapping[str, Any]]:
    return [event for event in events.entries if event["event"] == name]


async def test_a_stored_zip_has_its_members_in_a_folder_beside_it(h: House, events: LogCapture) -> None:
    stored = await h.fetch()
    assert (stored.state, stored.reason) == (STORED, None)
    assert_extracted(h, stored)
    [done] = said(events, "extraction.done")
    assert (done["folder"], done["members"]) == (str(folder_of(h, stored).relative_to(h.root)), 3)
    told = [e for e in events.entries if e["event"] in {"extraction.done", "delivery.stored"}]
    assert [e["event"] for e in told] == ["extraction.done", "delivery.stored"]
    assert {(e["order_id"], e["task_id"]) for e in told} == {("41", 41)}


async def test_nothing_is_extracted_where_it_is_not_wanted(tmp_path: Path) -> None:
    async with house(tmp_path, SCENARIO) as h:
        await h.look()
        await h.fetch()
        await h.assert_all_stored()


async def test_only_zips_are_extracted(tmp_path: Path) -> None:
    async with house(tmp_path, SCENARIO) as h:
        attachments = WantedAttachments(frozenset({"preview", "thumbnail", "footprint"}))
        extract_all(h, attachments=attachments)
        await h.look(h.tools["main"].watched)
        await h.fetch_all()
        assert {d.state for d in await h.deliveries()} == {STORED}
        await h.assert_sound()


async def test_a_zip_that_is_not_extracted_is_delivered_all_the_same_and_says_why(
    h: House, events: LogCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_MAX_FOLDERS", 0)
    stored = await h.fetch()
    assert (stored.state, stored.reason) == (
        STORED,
        "not extracted: the zip needs more than 0 folders",
    )
    await h.assert_all_stored()
    [refused] = said(events, "extraction.refused")
    assert (refused["log_level"], refused["path"]) == ("warning", stored.path)
    assert not said(events, "extraction.done")


# Space


async def test_no_room_to_extract_parks_the_delivery_until_there_is(
    h: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zip has its name meanwhile, and is not read back each time the disk is asked again."""
    h.disk.size = SIZE + 100_000
    parked = await h.fetch()
    assert parked.state is PARKED
    assert "no space" in (parked.reason or "")
    assert list(h.tree) == [parked.path]
    with monkeypatch.context() as patch:
        patch.delattr(type(h.destination), "verify")
        h.time.move(2 * MINUTE)
        assert (await h.fetch()).state is PARKED
    h.disk.size = 10**9
    h.time.move(2 * MINUTE)
    assert_extracted(h, await h.fetch())
    assert len(h.downloads) == 1


async def test_a_folder_that_stands_already_needs_no_room(h: House) -> None:
    stored = await h.fetch()
    await unrecorded(h, stored)
    h.disk.size = 0
    await h.restart()
    assert_extracted(h, await h.fetch())


async def test_the_room_is_taken_while_extracting_and_given_back(
    h: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = h.tools["main"].trees[None].space
    room: list[int] = []
    read_member = reader.read_member

    def watched(handle: int, worker: Member, stop: threading.Event) -> Iterator[bytes]:
        room.append(sum(one.size for one in space._reservations.values()))
        return read_member(handle, worker, stop)

    monkeypatch.setattr(extracting, "read_member", watched)
    stored = await h.fetch()
    with zipfile.ZipFile(h.root / (stored.path or "")) as archive:
        assert room[0] == sum(info.file_size for info in archive.infolist())
    assert not any(one.size for one in space._reservations.values())


# Crashes and stops


async def unrecorded(h: House, stored: Delivery) -> Delivery:
    """As if the process had died just before the row said stored."""
    os.link(h.root / (stored.path or ""), h.partial(stored))
    return await h.rewrite(stored, state=DeliveryState.FETCHING, stored_at=None)


def behind_the_renaming(_h: House, _folder: Path) -> None: ...


def before_it_began(_h: House, folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()


def half_way(h: House, folder: Path) -> None:
    before_it_began(h, folder)
    work = h.root / ".orderwatch" / "extract" / "some"
    work.mkdir()
    (work / "half.tif").write_bytes(b"half")


def with_the_zip_moved_away(_h: House, folder: Path) -> None:
    folder.with_name(f"{folder.name}.zip").rename(folder.parent.parent / "taken.zip")


@pytest.mark.parametrize("state", [behind_the_renaming, before_it_began, half_way, with_the_zip_moved_away])
async def test_a_crash_anywhere_ends_with_one_folder(h: House, state: Callable[[House, Path], None]) -> None:
    stored = await h.fetch()
    await unrecorded(h, stored)
    state(h, folder_of(h, stored))
    await h.restart()
    assert not work_of(h)
    again = await h.fetch()
    assert (again.state, again.path) == (STORED, stored.path)
    if state is with_the_zip_moved_away:
        folder = folder_of(h, stored)
        (folder.parent.parent / "taken.zip").rename(folder.with_name(f"{folder.name}.zip"))
    assert_extracted(h, again)
    assert len(h.downloads) == 1


async def test_a_partial_that_is_lost_in_the_crash_does_not_matter(h: House) -> None:
    stored = await h.fetch()
    crashed = await unrecorded(h, stored)
    h.partial(crashed).unlink()
    before_it_began(h, folder_of(h, stored))
    await h.restart()
    assert_extracted(h, await h.fetch())


async def test_a_partial_and_a_zip_that_are_lost_are_fetched_again(h: House) -> None:
    stored = await h.fetch()
    crashed = await unrecorded(h, stored)
    h.partial(crashed).unlink()
    (h.root / (stored.path or "")).unlink()
    await h.restart()
    assert (await h.fetch()).state is PARKED
    h.time.move(2 * MINUTE)
    assert_extracted(h, await h.fetch())
    assert len(h.downloads) == 2


async def test_a_stop_in_mid_extraction_ends_the_thread_and_the_next_start_finishes(
    h: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(_handle: int, _worker: Member, stop: threading.Event) -> Iterator[bytes]:
        yield b"first"
        begun.set()
        while not stop.is_set():
            time.sleep(0.005)
        ended.set()
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(extracting, "read_member", endless)
        task = asyncio.create_task(h.fetch())
        assert await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended.is_set()
    held = await h.the_delivery()
    assert held.state is WANTED
    assert not work_of(h)
    assert list(h.tree) == [held.path]
    await h.restart()
    assert_extracted(h, await h.fetch())
    assert len(h.downloads) == 1
