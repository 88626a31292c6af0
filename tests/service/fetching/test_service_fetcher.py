"""From wanted to stored, over real sockets, files and rows, whatever goes wrong on the way."""

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import DAY, HOUR, LAYOUT, MINUTE, RETRIES, house, told, wanting

from orderwatch.core.deliveries.paths import place
from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.model import DeliveryState
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Downloads

STORED, WAITING, PARKED = DeliveryState.STORED, DeliveryState.WAITING, DeliveryState.PARKED
WANTED, FETCHING, GIVEN_UP = DeliveryState.WANTED, DeliveryState.FETCHING, DeliveryState.GIVEN_UP
SUPERSEDED = DeliveryState.SUPERSEDED
SIZE = 400_000  # of a zip, where nothing else is said
HALF = SIZE // 2
RATE = 4_000_000  # slow enough that most of what was sent before a cut has been read

CUT = Fault(on="download", kind="cut", at=0.5)
ALWAYS = {"times": 0}
Scenes = list[Mapping[str, object]]


def one(*faults: Fault, scene: Mapping[str, object] | None = None, **downloads: object) -> Scenario:
    return Scenario(
        orders=(told(41, {"size": SIZE, **(scene or {})}),),
        faults=faults,
        downloads=Downloads.model_validate({"rate": RATE if faults else 0, **downloads}),
    )


def make(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


# What goes well


async def test_a_wanted_delivery_is_stored_with_its_sidecar(tmp_path: Path) -> None:
    async with house(tmp_path, one()) as h:
        await h.look()
        delivery = await h.fetch()
        assert (delivery.state, delivery.attempts, delivery.stored_at) == (STORED, 1, h.time.now())
        assert delivery.path is not None
        assert delivery.path.startswith("Simulated project/41/")
        await h.assert_all_stored()
        assert await h.moves(41) == ["wanted", "fetching", "stored"]
        assert not h.simulator.journal.leaks
        assert b"token" not in (h.root / f"{delivery.path}.json").read_bytes()
        assert b"http" not in (h.root / f"{delivery.path}.json").read_bytes()


async def test_every_kind_of_attachment_is_stored(tmp_path: Path) -> None:
    every = wanting("delivery_zip", "footprint", "thumbnail", "preview")
    async with house(tmp_path, one()) as h:
        await h.look(every)
        await h.fetch_all()
        assert [d.state for d in await h.deliveries()] == [STORED] * 4
        truth = {row["sha256"] for row in await h.simulator.truth()}
        assert set(h.tree.values()) == truth


async def test_a_redirect_to_object_storage_is_followed(tmp_path: Path) -> None:
    async with house(tmp_path, one(redirect=True)) as h:
        await h.look()
        await h.fetch()
        await h.assert_all_stored()
        assert not h.simulator.journal.leaks


@pytest.mark.parametrize(
    "names", [("same.zip", "same.zip"), ("Same.zip", "same.ZIP"), ("caf\u00e9.zip", "cafe\u0301.zip")]
)
async def test_equal_names_of_two_scenes_become_different_paths(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    scenes: Scenes = [{"file_name": name, "size": 5000 + n} for n, name in enumerate(names)]
    async with house(tmp_path, Scenario(orders=(told(41, *scenes),))) as h:
        await h.look()
        await h.fetch_all()
        await h.assert_all_stored()
        assert len({path.casefold() for path in h.tree}) == 2


async def test_names_that_lead_out_of_the_root_stay_inside(tmp_path: Path) -> None:
    scenes: Scenes = [{"file_name": "../../../evil.zip"}, {"file_name": "/etc/evil.zip", "size": 5000}]
    order = told(41, *scenes, project_name="..", task_name="../..")
    async with house(tmp_path, Scenario(orders=(order,))) as h:
        await h.look()
        await h.fetch_all()
        await h.assert_all_stored()
        assert {path.split("/")[0] for path in h.tree} == {"unnamed"}


async def test_a_foreign_file_under_the_name_is_left_alone(tmp_path: Path, events: LogCapture) -> None:
    async with house(tmp_path, one()) as h:
        await h.look()
        path = place(LAYOUT, await h.the_order(), await h.the_delivery())
        mine = make(h.root / path, b"mine")
        delivery = await h.fetch()
        assert delivery.path == path.replace(".zip", "-2.zip")
        assert mine.read_bytes() == b"mine"
        mine.unlink()
        await h.assert_all_stored()
        assert "delivery.name_taken" in [event["event"] for event in events.entries]


async def test_a_republished_scene_becomes_a_second_version_beside_the_first(tmp_path: Path) -> None:
    async with house(tmp_path, one(scene={"republished": [100]})) as h:
        await h.look()
        first = await h.fetch()
        h.time.move(HOUR)
        await h.look()
        second = await h.fetch()
        assert first.path is not None
        assert (second.version, second.path) == (2, first.path.replace(".zip", ".v2.zip"))
        assert {d.version: d.state for d in await h.deliveries()} == {1: SUPERSEDED, 2: STORED}
        assert len(h.tree) == 2
        await h.assert_all_stored()


async def test_a_scene_republished_with_the_same_bytes_makes_no_new_file(tmp_path: Path) -> None:
    footprints = wanting("footprint")
    async with house(tmp_path, one(scene={"republished": [100, DAY.total_seconds()]})) as h:
        await h.look(footprints)
        await h.fetch()
        before = h.tree
        for version in (2, 3):
            h.time.move(3 * DAY if version == 3 else HOUR)
            await h.look(footprints)
            again = await h.fetch()
            assert (again.version, again.state, again.path) == (version, SUPERSEDED, None)
            assert again.reason == "same bytes as version 1"
            assert h.downloads[-1].status == 200  # the host's date is another one: only the bytes can tell
        assert h.tree == before
        assert not h.partials
        await h.assert_sound()
        h.time.move(30 * DAY)
        await h.look(footprints)
        assert len(await h.deliveries()) == 3


async def test_a_scene_republished_while_half_of_it_is_here_is_fetched_from_the_beginning(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, one(CUT, scene={"republished": [100]})) as h:
        await h.look()
        assert (await h.fetch()).state is WAITING
        h.time.move(HOUR)
        delivery = await h.fetch()
        assert (delivery.state, delivery.version) == (STORED, 1)
        assert h.downloads[-1].range is None
        await h.assert_all_stored()
        await h.look()
        assert len(await h.deliveries()) == 1


async def test_a_look_at_a_republished_scene_renews_what_is_not_stored_yet(tmp_path: Path) -> None:
    async with house(tmp_path, one(CUT, scene={"republished": [100]})) as h:
        await h.look()
        await h.fetch()
        h.time.move(HOUR)
        await h.look()
        delivery = await h.fetch()
        assert (delivery.state, delivery.version) == (STORED, 1)
        await h.restart()
        await h.assert_all_stored()


# What goes wrong


async def test_a_cut_download_waits_and_is_resumed_where_it_was(tmp_path: Path) -> None:
    async with house(tmp_path, one(CUT)) as h:
        await h.look()
        cut = await h.fetch()
        assert (cut.state, cut.attempts) == (WAITING, 1)
        assert cut.durable <= HALF
        assert cut.attempts_without_progress == (0 if cut.durable else 1)
        assert cut.not_before is not None
        assert h.time.now() < cut.not_before <= h.time.now() + RETRIES.retry_min
        assert await h.store.deliveries.claim(h.time.now(), {"main"}) is None
        h.time.move(MINUTE)
        assert (await h.fetch()).attempts == 2
        await h.assert_all_stored()
        [_, resumed] = h.downloads
        assert resumed.range == (f"bytes={cut.durable}-" if cut.durable else None)
        assert resumed.sent == SIZE - cut.durable
        assert await h.moves(41) == ["wanted", "fetching", "waiting", "fetching", "stored"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="download", kind="reset"),
        Fault(on="download", kind="reset", at=0.3),
        Fault(on="download", kind="stall", at=0.3, seconds=30),
        Fault(on="download", kind="html"),
        Fault(on="download", kind="status", code=503, retry_after=10),
        Fault(on="download", kind="status", code=400),
    ],
    ids=lambda fault: f"{fault.kind} {fault.at or fault.code}",
)
async def test_any_broken_download_waits_and_is_stored_in_the_end(tmp_path: Path, fault: Fault) -> None:
    async with house(tmp_path, one(fault), stall=1.0) as h:
        await h.look()
        waiting = await h.fetch()
        assert (waiting.state, waiting.attempts) == (WAITING, 1)
        assert "token" not in (waiting.reason or "")
        assert "http" not in (waiting.reason or "")
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


@pytest.mark.parametrize("kind", ["wrong_range", "ignore_range"])
async def test_a_host_that_bends_ranges_never_causes_a_splice(tmp_path: Path, kind: str) -> None:
    bent = Fault.model_validate({"on": "download", "kind": kind, **ALWAYS})
    async with house(tmp_path, one(CUT, bent)) as h:
        await h.look()
        for _ in range(3):
            await h.fetch_all()
            h.time.move(HOUR)
        await h.assert_all_stored()


async def test_an_expired_link_is_replaced_at_once_and_the_bytes_are_kept(tmp_path: Path) -> None:
    async with house(tmp_path, one(CUT, Fault(on="download", kind="expire"))) as h:
        await h.look()
        held = (await h.fetch()).durable
        h.time.move(MINUTE)
        expired = await h.fetch()
        assert (expired.state, expired.durable) == (WAITING, held)
        assert expired.not_before is not None
        assert expired.not_before - h.time.now() <= (RETRIES.retry_min if not held else timedelta(0))
        h.time.move(MINUTE)
        assert (await h.fetch()).state is STORED
        await h.assert_all_stored()
        assert [e.status for e in h.downloads][:2] == [200, 403]
        assert h.downloads[-1].sent == SIZE - held


async def test_links_that_always_expire_are_asked_for_ever_more_seldom(tmp_path: Path) -> None:
    always = Fault.model_validate({"on": "download", "kind": "expire", **ALWAYS})
    async with house(tmp_path, one(always)) as h:
        await h.look()
        for _ in range(RETRIES.max_attempts):
            await h.fetch()
            h.time.move(DAY)
        assert (await h.the_delivery()).state is GIVEN_UP
        assert len(h.downloads) == 1 + RETRIES.max_attempts  # one more for the link that the poll brought


async def test_corrupt_bytes_are_set_aside_and_fetched_again(tmp_path: Path) -> None:
    async with house(tmp_path, one(Fault(on="download", kind="corrupt"))) as h:
        await h.look()
        wrong = await h.fetch()
        assert (wrong.state, wrong.durable, wrong.sha256, wrong.total) == (WAITING, 0, None, None)
        assert wrong.refused_sha256 is not None
        assert wrong.refused_sha256 in h.quarantined[0]
        assert not h.tree
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


async def test_the_same_corrupt_bytes_twice_wait_for_an_operator(tmp_path: Path) -> None:
    corrupt = Fault.model_validate({"on": "download", "kind": "corrupt", **ALWAYS})
    async with house(tmp_path, one(corrupt)) as h:
        await h.look()
        assert (await h.fetch()).state is WAITING
        h.time.move(MINUTE)
        parked = await h.fetch()
        assert parked.state is PARKED
        assert "the same wrong bytes twice" in (parked.reason or "")
        h.time.move(HOUR)
        assert await h.store.deliveries.claim(h.time.now(), {"main"}) is None
        assert not h.tree
        assert not h.partials


async def test_a_splice_that_nobody_could_see_is_caught_and_costs_one_clean_restart(tmp_path: Path) -> None:
    """The zip changed between two attempts, and nothing in the scene or in HTTP says so."""
    async with house(tmp_path, one(etag=False)) as h:
        await h.look()
        row = await h.rewrite(await h.the_delivery(), durable=HALF, total=SIZE)
        h.partial(row).write_bytes(b"PK\3\4" + bytes(HALF - 4))
        assert (await h.fetch()).durable == 0
        assert h.downloads[0].range == f"bytes={HALF}-"
        assert len(h.quarantined) == 1
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


async def test_a_body_without_length_that_is_cut_is_never_stored(tmp_path: Path) -> None:
    async with house(tmp_path, one(CUT, length=False)) as h:
        await h.look()
        await h.fetch_all()
        assert not h.tree
        h.time.move(MINUTE)
        await h.fetch_all()
        await h.assert_all_stored()


async def test_a_delivery_that_never_progresses_is_given_up(tmp_path: Path) -> None:
    always = Fault.model_validate({"on": "download", "kind": "reset", **ALWAYS})
    async with house(tmp_path, one(always)) as h:
        await h.look()
        states = []
        for _ in range(RETRIES.max_attempts):
            states.append((await h.fetch()).state)
            h.time.move(DAY)
        assert states == [WAITING] * (RETRIES.max_attempts - 1) + [GIVEN_UP]
        assert await h.store.deliveries.claim(h.time.now(), {"main"}) is None


async def test_bytes_fetched_again_and_again_are_no_progress(tmp_path: Path) -> None:
    """A host that knows no ranges and always cuts half-way would else be asked for ever."""
    always = CUT.model_copy(update=ALWAYS)
    async with house(tmp_path, one(always, ranges=False)) as h:
        await h.look()
        while (delivery := await h.fetch()).state is WAITING:
            h.time.move(DAY)
            assert len(h.downloads) < 100
        assert delivery.state is GIVEN_UP


@pytest.mark.parametrize("cuts", [[0.8, 0.3, 0.5], [0.8, 0.2, 0.4, 0.6]])
async def test_bytes_fetched_again_are_no_progress_wherever_the_host_cuts(
    tmp_path: Path, cuts: list[float]
) -> None:
    """It knows no ranges, so that each attempt begins anew: what counts is how far any of them came."""
    faults = [CUT.model_copy(update={"at": at}) for at in cuts * 10]
    async with house(tmp_path, one(*faults, ranges=False)) as h:
        await h.look()
        states = [(await h.fetch()).state]
        while states[-1] is WAITING:
            h.time.move(DAY)
            states.append((await h.fetch()).state)
        assert states == [WAITING] * RETRIES.max_attempts + [GIVEN_UP]


async def test_what_is_begun_anew_with_other_bytes_may_come_less_far_at_first(tmp_path: Path) -> None:
    faults = [CUT.model_copy(update={"at": at}) for at in (0.8, 0.2, 0.4, 0.6)]
    one_try = replace(RETRIES, max_attempts=1)
    async with house(
        tmp_path, one(*faults, ranges=False, scene={"republished": [100]}), retries=one_try
    ) as h:
        await h.look()
        assert (await h.fetch()).state is WAITING
        for _ in range(3):
            h.time.move(HOUR)
            assert (await h.fetch()).state is WAITING
        h.time.move(HOUR)
        await h.fetch()
        await h.assert_all_stored()


async def test_steady_progress_is_never_given_up(tmp_path: Path) -> None:
    always = Fault.model_validate({"on": "download", "kind": "cut", "at": 20_000, **ALWAYS})
    few = replace(RETRIES, max_attempts=2)
    scenario = one(always, rate=100_000, scene={"size": 60_000})
    async with house(tmp_path, scenario, retries=few) as h:
        await h.look()
        while (await h.the_delivery()).state is not STORED:
            await h.fetch()
            h.time.move(DAY)
        await h.assert_all_stored()
        assert (await h.the_delivery()).attempts > few.max_attempts


async def test_a_provider_that_is_silent_never_makes_us_give_up(tmp_path: Path) -> None:
    silent = Fault(on="scenes", kind="status", code=503, after=1, times=4)
    async with house(tmp_path, one(silent)) as h:
        await h.look()
        h.forget_links()
        for asked in (1, 2):
            waiting = await h.fetch()
            assert (waiting.state, waiting.attempts, waiting.attempts_without_progress) == (WAITING, asked, 0)
            assert waiting.not_before is not None
            assert waiting.not_before > h.time.now()
            h.time.move(HOUR)
        await h.fetch()
        await h.assert_all_stored()


async def test_a_scene_that_vanished_is_asked_for_again_later(tmp_path: Path) -> None:
    async with house(tmp_path, one()) as h:
        await h.look()
        h.simulator.world = replace(h.simulator.world, scenario=Scenario())
        waiting = await h.fetch()
        assert (waiting.state, waiting.attempts) == (WAITING, 1)
        assert "not in the archive" in (waiting.reason or "")


async def test_a_scene_that_stays_away_is_asked_for_ever_more_seldom_and_never_given_up(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, one()) as h:
        await h.look()
        before = h.simulator.world
        h.simulator.world = replace(before, scenario=Scenario())
        pause = timedelta(0)
        for _ in range(RETRIES.max_attempts + 10):
            waiting = await h.fetch()
            assert waiting.not_before is not None
            pause = waiting.not_before - h.time.now()
            h.time.move(pause)
        assert pause >= RETRIES.retry_max / 10
        h.simulator.world = before
        assert (await h.fetch()).state is STORED


# Room


async def test_no_space_parks_and_the_delivery_is_stored_when_room_returns(tmp_path: Path) -> None:
    async with house(tmp_path, one()) as h:
        h.disk.size = SIZE - 1
        await h.look()
        parked = await h.fetch()
        assert (parked.state, parked.attempts) == (PARKED, 0)
        assert parked.not_before == h.time.now() + RETRIES.disk
        assert "no space" in (parked.reason or "")
        h.time.move(MINUTE)
        assert (await h.fetch()).state is PARKED
        h.disk.size = SIZE
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


async def test_what_is_here_already_needs_no_room_again(tmp_path: Path) -> None:
    async with house(tmp_path, one(CUT)) as h:
        h.disk.size = SIZE
        await h.look()
        await h.fetch()
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


async def test_two_downloads_together_never_promise_more_than_there_is(tmp_path: Path) -> None:
    scenes = [{"size": SIZE}, {"size": SIZE + 1}]
    scenario = Scenario(orders=(told(41, *scenes),), downloads=Downloads(rate=RATE))
    async with house(tmp_path, scenario) as h:
        h.disk.size = SIZE + HALF
        await h.look()
        claimed = [await h.claim(), await h.claim()]
        after = await asyncio.gather(*map(h.fetcher.fetch, claimed))
        assert sorted(d.state for d in after) == [PARKED, STORED]


async def test_a_body_of_unknown_length_stops_before_the_disk_is_full(tmp_path: Path) -> None:
    async with house(tmp_path, one(length=False, rate=RATE, scene={"size": 3_000_000})) as h:
        h.disk.size = HALF
        await h.look()
        parked = await h.fetch()
        assert parked.state is PARKED
        assert "no space" in (parked.reason or "")
        assert HALF <= parked.durable < 3_000_000


async def test_a_disk_that_fails_parks_without_counting_and_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    async with house(tmp_path, one(CUT.model_copy(update={"times": 2}), rate=RATE // 8)) as h:
        await h.look()
        await h.fetch()
        h.time.move(MINUTE)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            parked = await h.fetch()
        assert (parked.state, parked.durable, parked.attempts) == (PARKED, 0, 1)
        assert not h.partials
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


async def test_a_disk_that_is_read_only_after_a_failed_sync_parks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise OSError(30, "Read-only file system")

    async with house(tmp_path, one(CUT)) as h:
        await h.look()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            patch.setattr(Path, "unlink", fail)
            parked = await h.fetch()
        assert (parked.state, parked.durable) == (PARKED, 0)
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


async def test_corrupt_bytes_that_cannot_be_set_aside_park(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    async with house(tmp_path, one(Fault(on="download", kind="corrupt"))) as h:
        await h.look()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", fail)
            parked = await h.fetch()
        assert (parked.state, parked.reason) == (
            PARKED,
            "cannot quarantine the partial: No space left on device",
        )
        h.time.move(MINUTE)
        await h.fetch()
        await h.assert_all_stored()


# Being stopped


async def test_a_cancelled_download_is_released_and_resumed_where_it_was(tmp_path: Path) -> None:
    async with house(tmp_path, one(rate=RATE, scene={"size": 4_000_000})) as h:
        await h.look()
        task = asyncio.create_task(h.fetcher.fetch(await h.claim()))
        while not (await h.the_delivery()).durable:
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released = await h.the_delivery()
        assert (released.state, released.attempts) == (WANTED, 0)
        assert 0 < released.durable < 4_000_000
        assert h.partial(released).stat().st_size == released.durable
        await h.fetch()
        await h.assert_all_stored()
        assert h.downloads[1].range == f"bytes={released.durable}-"
        assert h.downloads[1].sent == 4_000_000 - released.durable


async def test_a_cancel_at_any_moment_leaves_a_row_that_ends_stored(tmp_path: Path) -> None:
    scenes = [{"size": 3000 + number} for number in range(15)]
    async with house(tmp_path, Scenario(orders=(told(41, *scenes),))) as h:
        await h.look()
        for number in range(len(scenes)):
            task = asyncio.create_task(h.fetcher.fetch(await h.claim()))
            await asyncio.sleep(number * 0.004)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None
            assert not await h.store.deliveries.in_states(FETCHING)
        await h.restart()
        await h.fetch_all()
        await h.assert_all_stored()


@pytest.fixture
def slow_removal(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Partials are removed only once the event is set."""
    go_on = threading.Event()
    whole = Path.unlink

    def unlink(path: Path, *, missing_ok: bool = False) -> None:
        if path.suffix == ".part":
            go_on.wait(10)
        whole(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    yield go_on
    go_on.set()


async def test_a_cancel_after_it_was_stored_leaves_it_stored(
    tmp_path: Path, slow_removal: threading.Event
) -> None:
    async with house(tmp_path, one()) as h:
        await h.look()
        task = asyncio.create_task(h.fetcher.fetch(await h.claim()))
        while not await h.store.deliveries.in_states(STORED):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.05)
        slow_removal.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await h.assert_all_stored()


async def test_a_cancel_while_the_same_bytes_are_let_go_leaves_no_trace(
    tmp_path: Path, slow_removal: threading.Event
) -> None:
    footprints = wanting("footprint")
    async with house(tmp_path, one(scene={"republished": [100]})) as h:
        await h.look(footprints)
        slow_removal.set()
        await h.fetch()
        slow_removal.clear()
        h.time.move(HOUR)
        await h.look(footprints)
        task = asyncio.create_task(h.fetcher.fetch(await h.claim()))
        while not await h.store.deliveries.in_states(SUPERSEDED):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.05)
        slow_removal.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        [again] = await h.store.deliveries.in_states(SUPERSEDED)
        assert again.path is None
        await h.assert_sound()


async def test_workers_share_the_work_and_end_when_they_are_told_to(tmp_path: Path) -> None:
    scenes = [{"size": 3000 + number} for number in range(6)]
    async with house(tmp_path, Scenario(orders=(told(41, *scenes),))) as h:
        stopping = asyncio.Event()
        slots = DownloadSlots(2)
        workers = [asyncio.create_task(h.fetcher.work(h.todo, stopping, slots)) for _ in range(3)]
        await h.look()  # rings the bell
        while len(await h.store.deliveries.in_states(STORED)) < len(scenes):
            await asyncio.sleep(0.01)
        stopping.set()
        h.todo.trigger()
        await asyncio.gather(*workers)
        await h.assert_all_stored()
        assert len(h.downloads) == len(scenes)


async def test_one_bad_delivery_does_not_stop_the_others(tmp_path: Path) -> None:
    scenes: Scenes = [{"scene_id": "good"}, {"scene_id": "bad"}, {"scene_id": "fine", "size": 5000}]
    bad = Fault.model_validate({"on": "download", "kind": "reset", "match": {"scene_id": "bad"}, **ALWAYS})
    async with house(tmp_path, Scenario(orders=(told(41, *scenes),), faults=(bad,))) as h:
        await h.look()
        await h.fetch_all()
        assert {d.scene_id: d.state for d in await h.deliveries()} == {
            "good": STORED,
            "bad": WAITING,
            "fine": STORED,
        }


async def test_the_pause_grows_and_stays_below_the_slowest(tmp_path: Path) -> None:
    always = Fault.model_validate({"on": "download", "kind": "reset", **ALWAYS})
    retries = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=HOUR, max_attempts=100)
    async with house(tmp_path, one(always), retries=retries) as h:
        await h.look()
        for attempt in range(12):
            delivery = await h.fetch()
            assert delivery.not_before is not None
            pause = delivery.not_before - h.time.now()
            assert pause <= min(HOUR, retries.retry_min * 2**attempt)
            h.time.move(HOUR)
