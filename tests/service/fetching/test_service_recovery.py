"""After a crash: whatever stands in rows and files, recovery ends with exactly one stored file.

The states are those of the crash protocol (docs/design.md), made by hand.
"""

import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.service.service_kit import DAY, LAYOUT, MINUTE, House, house, told
from tests.transfer.transfer_kit import GARBAGE

from orderwatch.core.deliveries.paths import place
from orderwatch.core.deliveries.sidecar import sidecar
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.simulator import Scenario

STORED, WANTED, FETCHING = DeliveryState.STORED, DeliveryState.WANTED, DeliveryState.FETCHING
SIZE = 300_000
SCENARIO = Scenario(orders=(told(41, {"size": SIZE, "republished": [40_000]}),))


@dataclass
class Wreck:
    """A claimed delivery and the means to put row and files where a crash left them."""

    house: House
    row: Delivery
    truth: bytes
    sha256: str
    path: str

    @property
    def part(self) -> Path:
        return self.house.partial(self.row)

    @property
    def final(self) -> Path:
        return self.house.root / self.path

    @property
    def beside(self) -> Path:
        return self.final.with_name(f"{self.final.name}.json")

    async def streaming(self, durable: int, on_disk: bytes | None) -> None:
        """Size and validator are frozen, so many bytes were checkpointed."""
        [etag] = [
            self.house.simulator.content(p, "delivery_zip").etag for p in self.house.simulator.world.places(0)
        ]
        await self.house.store.deliveries.reserve(self.row, self.path)
        self.row = await self.house.rewrite(self.row, durable=durable, total=SIZE, validator=etag)
        if on_disk is not None:
            self.part.write_bytes(on_disk)

    async def intent(self) -> None:
        """Verified, and recorded as such; the name is not there yet."""
        await self.streaming(SIZE, self.truth)
        self.row = await self.house.rewrite(self.row, size=SIZE, sha256=self.sha256)

    async def described(self) -> None:
        await self.intent()
        self.final.parent.mkdir(parents=True)
        order = await self.house.the_order()
        self.beside.write_bytes(sidecar(order, self.row, self.house.time.now()))

    async def linked(self) -> None:
        await self.described()
        os.link(self.part, self.final)


async def wreck(h: House) -> Wreck:
    await h.look()
    [found] = h.simulator.world.places(0)
    content = h.simulator.content(found, "delivery_zip")
    path = place(LAYOUT, await h.the_order(), await h.the_delivery())
    row = await h.claim()
    return Wreck(h, row, content.read(0, SIZE), content.sha256(), path)


async def claimed_only(_w: Wreck) -> None: ...


async def empty_partial(w: Wreck) -> None:
    w.part.write_bytes(b"")


async def name_reserved(w: Wreck) -> None:
    await w.house.store.deliveries.reserve(w.row, w.path)


async def folders_made(w: Wreck) -> None:
    await name_reserved(w)
    w.final.parent.mkdir(parents=True)


async def partial_not_durable_yet(w: Wreck) -> None:
    await w.streaming(0, w.truth[:1000] + GARBAGE)


async def prefix(w: Wreck) -> None:
    await w.streaming(1000, w.truth[:1000])


async def garbage_beyond(w: Wreck) -> None:
    await w.streaming(1000, w.truth[:1000] + GARBAGE)


async def zeros_to_the_end(w: Wreck) -> None:
    await w.streaming(1000, w.truth[:1000] + bytes(SIZE - 1000))


async def shorter_than_believed(w: Wreck) -> None:
    await w.streaming(1000, w.truth[:500])


async def partial_gone(w: Wreck) -> None:
    await w.streaming(1000, None)


async def whole_but_not_checkpointed(w: Wreck) -> None:
    await w.streaming(1000, w.truth)


async def whole(w: Wreck) -> None:
    await w.streaming(SIZE, w.truth)


async def intent(w: Wreck) -> None:
    await w.intent()


async def staged_sidecar(w: Wreck) -> None:
    await w.intent()
    w.part.with_suffix(".json").write_bytes(b'{"half')


async def described(w: Wreck) -> None:
    await w.described()


async def linked(w: Wreck) -> None:
    await w.linked()


async def linked_and_partial_gone(w: Wreck) -> None:
    await w.linked()
    w.part.unlink()


async def linked_but_the_link_was_lost(w: Wreck) -> None:
    await w.linked()
    w.final.unlink()


async def folder_lost(w: Wreck) -> None:
    await w.linked()
    shutil.rmtree(w.house.root / Path(w.path).parts[0])


async def everything_lost(w: Wreck) -> None:
    await folder_lost(w)
    w.part.unlink()


async def intent_with_a_damaged_partial(w: Wreck) -> None:
    await w.intent()
    w.part.write_bytes(w.truth[: SIZE // 2] + bytes(100) + w.truth[SIZE // 2 + 100 :])


async def intent_with_a_partial_of_other_bytes(w: Wreck) -> None:
    """A good zip, but not the one that was verified."""
    await w.intent()
    await w.house.rewrite(w.row, sha256="0" * 64)


async def orphans(w: Wreck) -> None:
    await prefix(w)
    (w.house.destination.partials / "nobody-knows.part").write_bytes(GARBAGE)


async def stored_but_partial_left(w: Wreck) -> None:
    await w.linked()
    w.row = await w.house.rewrite(w.row, state=STORED, stored_at=w.house.time.now())


CRASHES = [
    claimed_only,
    empty_partial,
    name_reserved,
    folders_made,
    partial_not_durable_yet,
    prefix,
    garbage_beyond,
    zeros_to_the_end,
    shorter_than_believed,
    partial_gone,
    whole_but_not_checkpointed,
    whole,
    intent,
    staged_sidecar,
    described,
    linked,
    linked_and_partial_gone,
    linked_but_the_link_was_lost,
    folder_lost,
    everything_lost,
    intent_with_a_damaged_partial,
    intent_with_a_partial_of_other_bytes,
    orphans,
    stored_but_partial_left,
]
WITHOUT_FETCHING = {intent, staged_sidecar, described, linked, linked_but_the_link_was_lost, folder_lost}
Crash = Callable[[Wreck], Awaitable[None]]


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.__name__)
async def test_recovery_ends_with_exactly_one_stored_file(tmp_path: Path, crash: Crash) -> None:
    """Also where recovery itself was cut short and is repeated."""
    async with house(tmp_path, SCENARIO) as h:
        w = await wreck(h)
        await crash(w)
        for _ in range(2):
            await h.restart()
            assert not await h.store.deliveries.in_states(FETCHING)
        for _ in range(3):
            await h.fetch_all()
            h.time.move(2 * MINUTE)
        await h.assert_all_stored()
        assert (await h.the_delivery()).path == w.path
        assert (await h.moves(41)).count("stored") == (0 if crash is stored_but_partial_left else 1)
        if crash in WITHOUT_FETCHING or crash is stored_but_partial_left:
            assert not h.downloads


@pytest.mark.parametrize("crash", [prefix, garbage_beyond, zeros_to_the_end, whole_but_not_checkpointed])
async def test_recovery_believes_the_durable_bytes_and_fetches_the_rest(tmp_path: Path, crash: Crash) -> None:
    async with house(tmp_path, SCENARIO) as h:
        await crash(await wreck(h))
        await h.restart()
        await h.fetch()
        [download] = h.downloads
        assert (download.range, download.sent) == ("bytes=1000-", SIZE - 1000)


async def test_what_was_whole_is_not_fetched_again(tmp_path: Path) -> None:
    async with house(tmp_path, SCENARIO) as h:
        await whole(await wreck(h))
        await h.restart()
        await h.fetch()
        await h.assert_all_stored()
        assert sum(download.sent for download in h.downloads) == 0


@pytest.mark.parametrize("with_sidecar", [False, True])
async def test_a_file_its_reader_moved_during_the_crash_is_recorded_and_not_made_again(
    tmp_path: Path, *, with_sidecar: bool
) -> None:
    async with house(tmp_path, SCENARIO) as h:
        w = await wreck(h)
        await w.linked()
        shutil.move(w.final, h.root / "mine.zip")
        if with_sidecar:
            shutil.move(w.beside, h.root / "mine.json")
        await h.restart()
        stored = await h.fetch()
        assert stored.state is STORED
        assert list(h.tree) == ["mine.zip"]
        assert not h.partials
        assert not h.downloads


async def test_a_name_taken_by_somebody_during_the_crash_makes_us_take_another(tmp_path: Path) -> None:
    async with house(tmp_path, SCENARIO) as h:
        w = await wreck(h)
        await w.intent()
        w.final.parent.mkdir(parents=True)
        w.final.write_bytes(b"mine")
        await h.restart()
        stored = await h.fetch()
        assert stored.path == w.path.replace(".zip", "-2.zip")
        assert w.final.read_bytes() == b"mine"
        assert not h.downloads
        w.final.unlink()
        await h.assert_all_stored()


@pytest.mark.parametrize("former", [DeliveryState.STORED, DeliveryState.SUPERSEDED])
async def test_a_second_version_in_mid_publication_supersedes_the_first_in_the_end(
    tmp_path: Path, former: DeliveryState
) -> None:
    async with house(tmp_path, SCENARIO) as h:
        await h.look()
        first = await h.fetch()
        h.time.move(DAY)
        await h.look()
        second = await h.claim()
        await h.rewrite(first, state=former)
        [found] = h.simulator.world.places(h.time.read())
        content = h.simulator.content(found, "delivery_zip")
        path = place(LAYOUT, await h.the_order(), second)
        await h.store.deliveries.reserve(second, path)
        h.partial(second).write_bytes(content.read(0, content.size))
        await h.rewrite(second, size=content.size, sha256=content.sha256(), durable=content.size)
        await h.restart()
        await h.fetch_all()
        assert {d.version: d.state for d in await h.deliveries()} == {1: DeliveryState.SUPERSEDED, 2: STORED}
        assert len(h.tree) == 2
        await h.assert_sound()


async def test_a_republication_during_the_crash_does_not_lose_what_was_verified(tmp_path: Path) -> None:
    """The verified bytes become version 1, what is published now version 2."""
    async with house(tmp_path, SCENARIO) as h:
        await (await wreck(h)).intent()
        await h.restart()
        h.time.move(DAY)
        await h.look()
        await h.fetch_all()
        assert [(d.version, d.state) for d in await h.deliveries()] == [
            (1, DeliveryState.SUPERSEDED),
            (2, STORED),
        ]
        await h.assert_all_stored()


async def test_an_earlier_version_that_comes_late_does_not_supersede_a_later_one(tmp_path: Path) -> None:
    async with house(tmp_path, SCENARIO) as h:
        w = await wreck(h)
        await w.intent()
        await h.restart()
        h.time.move(DAY)
        await h.look()
        early, late = await h.claim(), await h.claim()
        assert (early.version, late.version) == (1, 2)
        await h.fetcher.fetch(late)
        await h.fetcher.fetch(early)
        states = {d.version: d.state for d in await h.deliveries()}
        assert states[2] is STORED
        await h.assert_sound()


async def test_recovery_leaves_the_partials_of_what_waits_and_of_what_was_given_up(tmp_path: Path) -> None:
    for number, state in enumerate(
        (WANTED, DeliveryState.WAITING, DeliveryState.PARKED, DeliveryState.GIVEN_UP)
    ):
        async with house(tmp_path / str(number), SCENARIO) as h:
            w = await wreck(h)
            await prefix(w)
            await h.rewrite(w.row, state=state)
            await h.restart()
            assert h.partials == [w.part.name]
            assert replace(await h.the_delivery(), path=None) == replace(w.row, state=state, path=None)


async def test_recovery_makes_a_staging_folder_that_is_gone(tmp_path: Path) -> None:
    async with house(tmp_path, SCENARIO) as h:
        w = await wreck(h)
        await prefix(w)
        for folder in (h.destination.partials, h.root / ".orderwatch" / "quarantine"):
            shutil.rmtree(folder)
        await h.restart()
        await h.fetch()
        await h.assert_all_stored()
