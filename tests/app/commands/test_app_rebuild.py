"""A lost database, made anew from the tree: the next round fetches nothing again."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from tests.app.upkeep_kit import EVERYTHING, Home, home

from orderwatch.core.model import DeliveryState, OrderState
from orderwatch.db.lock import exclusive_lock
from orderwatch.db.repositories import open_store
from orderwatch.errors import DatabaseError, DiskError, LockedError
from orderwatch.simulator.scenario import Scene


async def assert_nothing_is_fetched_again(at_home: Home) -> None:
    at_home.rig.simulator.journal.clear()
    assert await at_home.once() == []
    assert at_home.downloads() == 0
    await at_home.assert_whole()


async def test_the_rows_of_the_files_are_as_they_were_and_nothing_is_fetched_again(tmp_path: Path) -> None:
    async with home(tmp_path, Scene(size="9 kB", republished=(100.0,)), Scene(size="9 kB")) as at_home:
        at_home.seconds[0] = 200
        assert await at_home.once() == []
        before = {d.key: d for d in await at_home.deliveries()}
        new = next(d for d in before.values() if d.version > 1)
        assert (at_home.heard.read_files, at_home.heard.read_size) == (1, new.size)
        (order,) = await at_home.orders()
        at_home.lose_database()
        done = await at_home.rebuild()
        assert (at_home.heard.files, at_home.heard.read_files) == (3, 3)
        assert at_home.heard.read_size == at_home.heard.size > 0
        size = sum(d.size or 0 for d in before.values())
        assert (done.orders, done.captures, done.deliveries, done.size) == (1, 1, 3, size)
        assert done.refused == []
        after = {d.key: d for d in await at_home.deliveries()}
        assert after.keys() == before.keys()
        for key, was in before.items():
            now = after[key]
            assert (now.state, now.reason, now.path, now.root) == (was.state, was.reason, was.path, was.root)
            assert (now.size, now.sha256, now.fingerprint) == (was.size, was.sha256, was.fingerprint)
            assert (now.scene.footprint, now.scene.timestamp) == (was.scene.footprint, was.scene.timestamp)
            assert now.stored_at is not None
            assert was.stored_at is not None
            assert abs(now.stored_at - was.stored_at) < timedelta(minutes=1)
        (again,) = await at_home.orders()
        assert (again.state, again.task_name, again.project_name) == (OrderState.OPEN, "Quay", "Harbour")
        assert again.captures[0].published_at == order.captures[0].published_at
        await assert_nothing_is_fetched_again(at_home)
        (looked,) = await at_home.orders()
        assert looked.status == order.status
        assert looked.captures[0].status == order.captures[0].status
        async with open_store(at_home.rig.database) as store:
            assert await store.history.publication_lags(100) == []
            details = [m.detail or "" for m in await store.history.of_order("7")]
        assert sum(detail.endswith("rebuilt from the tree") for detail in details) == 5


async def test_trees_of_watches_are_rebuilt_with_their_roots(tmp_path: Path) -> None:
    own = f"[watch.delivery]\nroot = '{tmp_path}/tree/own'"
    async with home(tmp_path, watch=f"{EVERYTHING}\n{own}") as at_home:
        before = [(d.root, d.path) for d in await at_home.deliveries()]
        at_home.lose_database()
        assert (await at_home.rebuild()).refused == []
        assert [(d.root, d.path) for d in await at_home.deliveries()] == before
        await assert_nothing_is_fetched_again(at_home)


async def test_what_cannot_be_taken_up_is_named_and_the_rest_is(tmp_path: Path) -> None:
    async with home(tmp_path, *[Scene(size="9 kB") for _ in range(6)]) as at_home:
        garbled, poor, lone, grown, bare, sound = await at_home.deliveries()
        at_home.beside(garbled).write_bytes(b"{")
        told = json.loads(at_home.beside(poor).read_bytes())
        del told["fingerprint"]
        at_home.beside(poor).write_text(json.dumps(told))
        at_home.file(lone).unlink()
        with at_home.file(grown).open("ab") as file:
            file.write(b"more")
        at_home.beside(bare).unlink()
        unpacked = at_home.file(sound).with_suffix("")
        unpacked.mkdir()
        (unpacked / "meta.json").write_text("{}")
        copy = at_home.tree / "a copy"
        copy.mkdir()
        for path in (at_home.file(sound), at_home.beside(sound)):
            shutil.copy(path, copy)
        at_home.lose_database()
        done = await at_home.rebuild()
        assert {(one.path, one.detail) for one in done.refused} == {
            (f"{garbled.path}.json", "not a sidecar of orderwatch: it is not JSON"),
            (f"{poor.path}.json", "not a sidecar of orderwatch: fingerprint is missing"),
            (f"{lone.path}.json", "a sidecar without its file"),
            (grown.path, f"{(grown.size or 0) + 4} B instead of {grown.size} B"),
            (bare.path, "a file without a sidecar"),
            (f"a copy/{at_home.file(sound).name}", f"the same delivery as {sound.path}"),
        }
        (taken,) = await at_home.deliveries()
        assert (taken.scene_id, taken.state) == (sound.scene_id, DeliveryState.STORED)


async def test_a_database_that_knows_orders_is_never_written_over(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        before = await at_home.orders()
        with pytest.raises(DatabaseError, match="already contains orders: move it away"):
            await at_home.rebuild()
        assert await at_home.orders() == before


async def test_a_damaged_database_says_what_to_do(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        at_home.rig.database.write_bytes(b"this was a database once " * 1000)
        with pytest.raises(DatabaseError, match="move it away with its -wal and -shm"):
            await at_home.rebuild()


async def test_nobody_else_may_hold_database_or_tree(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        at_home.lose_database()
        at_home.rig.database.parent.mkdir()
        for held in (at_home.rig.database, at_home.staging / "tree"):
            with exclusive_lock(held), pytest.raises(LockedError):
                await at_home.rebuild()
        assert (await at_home.rebuild()).deliveries == 2


async def test_without_its_tree_no_database_is_made(tmp_path: Path) -> None:
    """Or the next start would fetch everything again."""
    async with home(tmp_path) as at_home:
        at_home.lose_database()
        at_home.tree.rename(tmp_path / "unplugged")
        for _ in range(2):
            with pytest.raises(DiskError, match="is its disk mounted"):
                await at_home.rebuild()
            at_home.tree.mkdir(exist_ok=True)
        assert not at_home.rig.database.exists()


async def test_a_rebuild_that_fails_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(tmp_path) as at_home:
        at_home.lose_database()
        with monkeypatch.context() as patched:
            patched.setattr("orderwatch.db.deliveries.place_key", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await at_home.rebuild()
        assert await at_home.orders() == []
        assert (await at_home.rebuild()).deliveries == 2


async def test_the_command_rebuilds_and_names_what_it_left(tmp_path: Path, forks: Path) -> None:
    async with home(tmp_path, forks=forks) as at_home:
        rig = at_home.rig
        ended = await rig.call("rebuild")
        assert (ended.code, len(ended.err.splitlines())) == (3, 1)
        at_home.lose_database()
        (rig.tree / "notes.txt").touch()
        ended = await rig.call("rebuild", "--json")
        assert ended.err == f"orderwatch: refused: {rig.tree}/notes.txt: a file without a sidecar\n"
        told = json.loads(ended.out)
        assert (ended.code, told["orders"], told["captures"], told["deliveries"]) == (1, 1, 1, 2)
        assert told["refused"] == [{"root": None, "path": "notes.txt", "detail": "a file without a sidecar"}]
        assert {d["state"] for d in await rig.deliveries()} == {"stored"}
