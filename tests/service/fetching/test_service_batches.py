"""A batch of small files: what it brings is stored as by single attempts, what it leaves is queued again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PATIENCE
from tests.service.service_kit import HOUR, House, house, wanting

from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.paths import place
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.service.fetching.small_attachments import SmallAttachments
from orderwatch.service.liveness import unsupervised
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Faults
from orderwatch.transfer.zip.verify import digest

WANTED, FETCHING, STORED = DeliveryState.WANTED, DeliveryState.FETCHING, DeliveryState.STORED
TARGET = {"type": "Polygon", "coordinates": [[[10, 50], [10.4, 50], [10.4, 50.3], [10, 50.3], [10, 50]]]}
ALL = wanting("*")
MOST = 63


def tiles(count: int = 3, *, faults: Sequence[Mapping[str, Any]] = (), **more: Any) -> Scenario:  # noqa: ANN401
    given = {"count": count, "assets": ["visual", "cloud", "preview"], **more.pop("tiles", {})}
    order = {
        "task_id": 41,
        "target": TARGET,
        "status": [[0, "completed"]],
        "captures": [{"status": [[0, "published"]], "tiles": given}],
    }
    return Scenario.model_validate({"orders": [order], "faults": faults, **more})


@asynccontextmanager
async def stac_house(folder: Path, scenario: Scenario) -> AsyncIterator[House]:
    async with house(folder, scenario, stall=1.0, delivery_api=("stac",)) as at:
        await at.look(ALL)
        at.simulator.journal.clear()
        yield at


async def claimed(at: House) -> list[Delivery]:
    """Claim everything as one batch."""
    first = await at.claim()
    names = {one.attachment for one in await at.deliveries()}
    return [first, *await at.store.deliveries.claim_more(first, at.time.now(), names, MOST)]


async def fetch_batch(at: House) -> None:
    await at.fetcher.fetch_batch(await claimed(at), unsupervised())


async def states(at: House) -> Counter[DeliveryState]:
    return Counter(one.state for one in await at.deliveries())


async def assert_all_stored(at: House) -> None:
    await at.assert_sound()
    assert set(await states(at)) == {STORED}
    truth = sorted(str(row["sha256"]) for row in await at.simulator.archive_truth())
    assert sorted(one.sha256 or "" for one in await at.deliveries()) == truth
    assert not at.partials
    assert at.simulator.journal.leaks == []


def requests(at: House) -> list[str]:
    entries = at.simulator.journal.entries
    return [e.path for e in entries if e.path.startswith(("/assets/", "/bucket/"))]


async def test_files_at_several_hosts_are_stored_by_one_batch(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles()) as at:
        await fetch_batch(at)
        await assert_all_stored(at)
        assert len(requests(at)) == len(set(requests(at))) == 9
        moves = Counter(await at.moves(41))
        assert moves == {"wanted": 9, "fetching": 9, "stored": 9}
        for one in await at.deliveries():
            assert (one.attempts, one.version, one.durable) == (1, 1, one.size)
            assert one.stored_at == at.time.now()


@pytest.mark.parametrize("assets", [{"answer": "redirect"}, {"href": "https_alternate"}, {"checksum": True}])
async def test_every_kind_of_link_is_followed_and_no_bucket_sees_credentials(
    tmp_path: Path, assets: Mapping[str, Any]
) -> None:
    async with stac_house(tmp_path, tiles(assets=assets)) as at:
        await fetch_batch(at)
        await assert_all_stored(at)


FAULTS: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "a host that fails in the middle": ({"on": "asset", "kind": "status", "after": 2}, 5),
    "a bucket that fails": ({"on": "download", "kind": "status", "after": 1}, 7),
    "a connection that is cut": ({"on": "asset", "kind": "cut", "after": 2}, 5),
    "a busy host": ({"on": "asset", "kind": "status", "code": 429, "after": 2}, 5),
    "a refused token": ({"on": "asset", "kind": "expire", "after": 2}, 5),
    "a link that has expired": ({"on": "download", "kind": "expire"}, 6),
    "a page": ({"on": "asset", "kind": "html", "after": 2}, 8),
    "damaged pictures": ({"on": "download", "kind": "corrupt", "at": 0.5, "after": 2}, 8),
    "no such file": ({"on": "asset", "kind": "status", "code": 404, "after": 2}, 5),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_what_a_batch_leaves_is_queued_again_and_stored_later(tmp_path: Path, name: str) -> None:
    fault, stored = FAULTS[name]
    async with stac_house(tmp_path, tiles(faults=[fault])) as at:
        await fetch_batch(at)
        assert await states(at) == {STORED: stored, WANTED: 9 - stored}
        await at.assert_sound()
        for one in await at.deliveries():
            assert one.state is STORED or (one.attempts, one.path) == (0, None)
        await at.fetch_all()
        at.time.move(HOUR)
        await at.fetch_all()
        await assert_all_stored(at)


async def test_large_files_are_left(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles(2, tiles={"pixels": 700})) as at:
        await fetch_batch(at)
        left = [one.attachment for one in await at.deliveries() if one.state is WANTED]
        assert left == ["visual"] * 2
        await at.fetch_all()
        await assert_all_stored(at)


async def test_a_republished_scene_is_left_to_an_attempt_that_learns_of_it(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles(tiles={"remade": [60]})) as at:
        deliveries = await claimed(at)
        at.time.seconds += 100
        at.forget_links()
        await at.fetcher.fetch_batch(deliveries, unsupervised())
        assert await states(at) == {WANTED: 9}
        assert requests(at) == []
        await at.fetch_all()
        await assert_all_stored(at)


async def test_a_tile_replaced_while_the_batch_runs_is_fetched_as_a_new_version(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles(tiles={"remade": [60]})) as at:
        deliveries = await claimed(at)
        at.time.seconds += 100  # the links of the poll are those of the former run
        await at.fetcher.fetch_batch(deliveries, unsupervised())
        await at.look(ALL)
        await at.fetch_all()
        await at.assert_sound()
        truth = {row["sha256"] for row in await at.simulator.archive_truth()}
        assert {one.sha256 for one in await at.deliveries() if one.state is STORED} == truth


async def test_a_file_that_somebody_else_has_put_there_is_kept(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles(1)) as at:
        deliveries = await claimed(at)
        order = await at.the_order()
        taken = at.root / place(ALL.usual.layout, order, deliveries[0])
        taken.parent.mkdir(parents=True)
        taken.write_text("mine")
        await at.fetcher.fetch_batch(deliveries, unsupervised())
        assert await states(at) == {STORED: 2, WANTED: 1}
        requested = len(requests(at))
        await at.fetch_all()
        assert set(await states(at)) == {STORED}
        assert len(requests(at)) == requested
        assert taken.read_text() == "mine"
        [moved] = [one for one in await at.deliveries() if (one.path or "").endswith("-2.tif")]
        assert digest(at.root / (moved.path or "")) == moved.sha256


async def test_two_files_of_one_name_have_two_paths(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles()) as at:
        context = at.tools["main"]
        same = replace(ALL.usual, layout="{task_id}/{attachment}")
        at.tools["main"] = replace(context, watched=replace(context.watched, usual=same))
        await fetch_batch(at)
        await assert_all_stored(at)
        assert {"41/visual", "41/visual-2", "41/visual-3"} <= at.tree.keys()


async def test_a_path_that_another_delivery_has_is_not_taken(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles(2)) as at:
        context = at.tools["main"]
        same = replace(ALL.usual, layout="{task_id}/{attachment}")
        at.tools["main"] = replace(context, watched=replace(context.watched, usual=same))
        await at.fetch()
        await fetch_batch(at)
        await assert_all_stored(at)
        assert len(at.tree) == 6


async def test_without_room_for_a_batch_single_attempts_decide(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles()) as at:
        at.disk.size = 2**20
        await fetch_batch(at)
        assert await states(at) == {WANTED: 9}
        assert requests(at) == []
        await at.fetch_all()
        await assert_all_stored(at)


async def test_a_volume_that_is_gone_leaves_everything(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles()) as at:
        marker = at.root / ".orderwatch" / "volume"
        kept = marker.read_bytes()
        marker.unlink()
        await fetch_batch(at)
        assert await states(at) == {WANTED: 9}
        assert requests(at) == []
        marker.write_bytes(kept)
        await fetch_batch(at)
        await assert_all_stored(at)


async def test_a_provider_that_is_down_leaves_everything(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles()) as at:
        at.forget_links()
        at.simulator.outage = True
        await fetch_batch(at)
        assert await states(at) == {WANTED: 9}
        at.simulator.outage = False
        await fetch_batch(at)
        await assert_all_stored(at)


@pytest.mark.parametrize("stalled", range(0, 9, 2))
async def test_a_cancelled_batch_leaves_nothing_half(tmp_path: Path, stalled: int) -> None:
    fault = {"on": "asset", "kind": "stall", "seconds": 3600, "after": min(stalled, 5), "times": 0}
    async with stac_house(tmp_path, tiles(faults=[fault])) as at:
        running = asyncio.create_task(fetch_batch(at))
        async with asyncio.timeout(PATIENCE):
            while len(requests(at)) <= min(stalled, 5):
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert FETCHING not in await states(at)
        await at.assert_sound()
        at.simulator.faults = Faults(())
        await at.fetch_all()
        await assert_all_stored(at)


async def test_a_batch_that_was_killed_after_its_intents_is_completed_without_downloading(
    tmp_path: Path,
) -> None:
    async with stac_house(tmp_path, tiles()) as at:
        deliveries = await claimed(at)
        await at.fetcher.fetch_batch(deliveries, unsupervised())
        before = len(requests(at))
        for number, one in enumerate(await at.deliveries()):
            data = (at.root / (one.path or "")).read_bytes()
            at.partial(one).write_bytes(data)
            if number % 2:  # killed before its name was given
                for path in (at.root / (one.path or ""), at.root / f"{one.path}.json"):
                    path.unlink()
            await at.rewrite(one, state=FETCHING, stored_at=None, attempts=0, durable=0)
        await at.restart()
        await at.fetch_all()
        await assert_all_stored(at)
        assert len(requests(at)) == before


async def test_small_attachments_are_learned_and_then_fetched_in_batches(tmp_path: Path) -> None:
    async with stac_house(tmp_path, tiles(40)) as at:
        stopping = asyncio.Event()
        working = asyncio.create_task(at.fetcher.work(at.todo, stopping, DownloadSlots(1)))
        async with asyncio.timeout(PATIENCE):
            while set(await states(at)) != {STORED}:
                await asyncio.sleep(0.05)
            stopping.set()
            at.todo.trigger()
            await working
        await assert_all_stored(at)
        assert Counter(await at.moves(41)) == {"wanted": 120, "fetching": 120, "stored": 120}


def test_attachments_count_as_small_after_one_small_file_and_again_after_sixteen() -> None:
    small = SmallAttachments()
    stored = Delivery(
        account="main", order_id="1", task_id=1, capture_id="c", scene_id="s", attachment="visual",
        file_name="a.tif", fingerprint="f", state=STORED, size=2**20,
    )  # fmt: skip
    assert small.of("main") == []
    small.on_attempt(replace(stored, state=WANTED))
    assert small.of("main") == []
    small.on_attempt(stored)
    assert small.of("main") == ["visual"]
    assert small.of("other") == []
    small.on_attempt(replace(stored, size=2**20 + 1))
    for _ in range(15):
        small.on_attempt(stored)
        assert small.of("main") == []
    small.on_attempt(stored)
    assert small.of("main") == ["visual"]
    small.on_batch([replace(stored, state=WANTED)])
    assert small.of("main") == []


def test_partials_of_two_runs_have_two_names() -> None:
    one = Delivery(
        account="main", order_id="1", task_id=1, capture_id="c", scene_id="s", attachment="visual",
        file_name="a.tif", fingerprint="f",
    )  # fmt: skip
    assert partial_name(one) != partial_name(replace(one, fingerprint="g"))
