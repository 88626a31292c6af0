"""What `verify` finds in a real tree, and what `--repair` mends."""

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.app.app_rig import sha256
from tests.app.upkeep_kit import EVERYTHING, Heard, Home, home, spoil

from orderwatch.app.commands import repair
from orderwatch.app.commands.verify import Trees, judge, verify
from orderwatch.app.plan import resolve
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.sidecar import parse
from orderwatch.core.deliveries.state_machine import DeliveryUpdate, claimed, on_loss
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.lock import exclusive_lock
from orderwatch.db.repositories import open_store
from orderwatch.simulator.scenario import Scene
from orderwatch.transfer.tree.inspector import TreeInspector


async def the_file(at_home: Home, number: int = 0) -> tuple[Delivery, Path]:
    delivery = (await at_home.deliveries())[number]
    return delivery, at_home.file(delivery)


async def test_a_sound_tree_is_read_whole_and_nothing_is_found(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        deliveries = await at_home.deliveries()
        size = sum(d.size or 0 for d in deliveries)
        heard = Heard()
        audit = await verify(resolve(at_home.settings), heard)
        assert (audit.checked, audit.size, audit.findings) == (2, size, [])
        assert (heard.files, heard.size, heard.read_files, heard.read_size) == (2, size, 2, size)


async def test_every_harm_is_found_and_named(tmp_path: Path) -> None:
    async with home(tmp_path, *[Scene(size="9 kB") for _ in range(7)]) as at_home:
        deliveries = await at_home.deliveries()
        gone, turned, short, folder, lone, wrong, garbled = deliveries
        at_home.file(gone).unlink()
        spoil(at_home.file(turned))
        os.truncate(at_home.file(short), 100)
        at_home.file(folder).unlink()
        at_home.file(folder).mkdir()
        at_home.beside(lone).unlink()
        told = json.loads(at_home.beside(wrong).read_bytes())
        at_home.beside(wrong).write_text(json.dumps({**told, "sha256": "0", "version": 2}))
        at_home.beside(garbled).write_bytes(b"{")
        (at_home.tree / "notes.txt").touch()
        findings = {f.path: f for f in (await at_home.verify()).findings}
        assert {(f.kind.value, path) for path, f in findings.items()} == {
            ("missing", gone.path),
            ("changed", turned.path),
            ("changed", short.path),
            ("unreadable", folder.path),
            ("missing", f"{lone.path}.json"),
            ("changed", f"{wrong.path}.json"),
            ("changed", f"{garbled.path}.json"),
            ("orphan", "notes.txt"),
        }
        assert findings[turned.path or ""].detail == "its sha256 differs"
        assert findings[short.path or ""].detail == "100 B instead of 9.0 kB"
        assert findings[f"{wrong.path}.json"].detail == "the sidecar differs in: version, sha256"
        assert findings[gone.path or ""].delivery == gone


async def test_what_others_may_keep_in_the_tree_is_no_orphan(tmp_path: Path) -> None:
    """Work in progress, a volume's own folder, and what was unpacked from a zip beside it."""
    async with home(tmp_path) as at_home:
        _, path = await the_file(at_home)
        (at_home.staging / "partial" / "some.part").touch()
        (at_home.tree / "lost+found").mkdir()
        (at_home.tree / "lost+found" / "#1").touch()
        unpacked = path.with_suffix("") / "deep"
        unpacked.mkdir(parents=True)
        (unpacked / "raster.tif").touch()
        assert await at_home.found() == set()
        (path.parent / "another folder").mkdir()
        (path.parent / "another folder" / "raster.tif").touch()
        (at_home.tree / "link").symlink_to(tmp_path)
        folder = path.parent.relative_to(at_home.tree)
        assert await at_home.found() == {
            ("orphan", f"{folder}/another folder/raster.tif"),
            ("orphan", "link"),
        }


async def test_a_name_that_is_being_published_is_no_orphan(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        delivery, path = await the_file(at_home)
        async with open_store(at_home.rig.database) as store:
            move = on_loss(delivery, datetime.now(UTC), "for the test")
            await store.deliveries.save(move)
            await store.deliveries.save(claimed(move.delivery, datetime.now(UTC)))
        assert path.exists()
        assert await at_home.found() == set()


async def test_what_a_daemon_moved_meanwhile_is_not_reported(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        delivery, path = await the_file(at_home)
        trees: Trees = {None: TreeInspector(at_home.tree)}
        aside = path.rename(tmp_path / "aside")
        async with open_store(at_home.rig.database) as store:
            assert await judge(store, trees, delivery, lambda _size: None)
            wanted = on_loss(delivery, datetime.now(UTC), "for the test")
            await store.deliveries.save(wanted)
            assert await judge(store, trees, delivery, lambda _size: None) is None
            aside.rename(path.with_name("elsewhere.zip"))
            shutil.copy(at_home.beside(delivery), path.with_name("elsewhere.zip.json"))
            elsewhere = str(path.with_name("elsewhere.zip").relative_to(at_home.tree))
            await store.deliveries.reserve(delivery, elsewhere)
            await store.deliveries.save(DeliveryUpdate(delivery=delivery, transition=None))
            assert await judge(store, trees, delivery, lambda _size: None) is None


async def test_a_tree_that_is_not_there_is_one_finding_and_nothing_of_it_is_fetched(tmp_path: Path) -> None:
    """Its disk is not mounted: hundreds of files must not be fetched into the mount point."""
    async with home(tmp_path) as at_home:
        at_home.tree.rename(tmp_path / "unplugged")
        at_home.tree.mkdir()
        assert await at_home.found() == {("unreadable", ".")}
        at_home.rig.simulator.journal.clear()
        (done,) = (await at_home.repair()).values()
        assert (done.mended, done.queued, at_home.downloads()) == (False, None, 0)
        assert {d.state for d in await at_home.deliveries()} == {DeliveryState.STORED}


async def test_a_tree_of_a_watch_is_read_too_and_one_within_another_only_once(tmp_path: Path) -> None:
    own = f"[watch.delivery]\nroot = '{tmp_path}/tree/own'"
    async with home(tmp_path, watch=f"{EVERYTHING}\n{own}") as at_home:
        (at_home.tree / "usual.txt").touch()
        delivery, path = await the_file(at_home)
        assert path.is_relative_to(tmp_path / "tree" / "own")
        assert await at_home.found() == {("orphan", "usual.txt")}
        spoil(path)
        (at_home.tree / "usual.txt").unlink()
        (finding,) = (await at_home.verify()).findings
        assert (finding.root, finding.path) == (f"{tmp_path}/tree/own", delivery.path)
        assert (await at_home.repair())[delivery.path or ""].mended
        await at_home.assert_whole()
        at_home.rig.configure(EVERYTHING)
        left = replace(at_home, settings=at_home.settings.model_copy(update={"watch": ()}))
        assert await left.found() == set()


async def test_repair_mends_everything_but_what_it_does_not_know(tmp_path: Path) -> None:
    async with home(tmp_path, *[Scene(size="9 kB") for _ in range(6)]) as at_home:
        gone, turned, folder, lone, wrong, sound = await at_home.deliveries()
        at_home.file(gone).unlink()
        at_home.beside(gone).unlink()
        spoiled = spoil(at_home.file(turned))
        at_home.file(folder).unlink()
        os.mkfifo(at_home.file(folder))
        described = parse(at_home.beside(lone).read_bytes())
        at_home.beside(lone).unlink()
        at_home.beside(wrong).write_bytes(b"my notes")
        (at_home.tree / "notes.txt").write_text("mine")
        at_home.rig.simulator.journal.clear()
        done = await at_home.repair()
        assert {path for path, one in done.items() if not one.mended} == {"notes.txt"}
        assert at_home.downloads() == 3
        fetched = sum(delivery.size or 0 for delivery in (gone, turned, folder))
        assert (at_home.heard.read_files, at_home.heard.read_size) == (3, fetched)
        assert await at_home.found() == {("orphan", "notes.txt")}
        (at_home.tree / "notes.txt").unlink()
        await at_home.assert_whole()
        kept, name = at_home.quarantined(), Path(turned.path or "").name
        assert kept[name] == spoiled
        assert b"changed: its sha256 differs" in kept[f"{name}.reason.txt"]
        assert b"my notes" in kept.values()
        written = parse(at_home.beside(lone).read_bytes())
        assert replace(written.delivery, stored_at=None) == replace(described.delivery, stored_at=None)
        assert written.stored_at == lone.stored_at
        assert (await at_home.deliveries())[-1] == sound


async def test_with_a_daemon_at_work_repair_leaves_the_fetching_to_it(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        delivery, path = await the_file(at_home)
        path.unlink()
        at_home.rig.simulator.journal.clear()
        with exclusive_lock(at_home.settings.database.file):
            done = (await at_home.repair())[delivery.path or ""]
            assert done.detail == "queued again: the running daemon downloads it"
            assert await at_home.found() == set()
        assert (done.mended, at_home.downloads()) == (False, 0)
        wanted, _ = await the_file(at_home)
        assert (wanted.state, wanted.path) == (DeliveryState.WANTED, delivery.path)
        assert not wanted.intended
        assert await at_home.once() == []
        await at_home.assert_whole()


async def test_the_history_tells_why_it_was_fetched_again(tmp_path: Path) -> None:
    async with home(tmp_path, Scene(size="9 kB")) as at_home:
        _, path = await the_file(at_home)
        path.unlink()
        await at_home.repair()
        async with open_store(at_home.rig.database) as store:
            moves = [(m.before, m.after, m.detail) for m in await store.history.of_order("7") if m.scene_id]
        assert ("stored", "wanted", "missing: the file does not exist; downloaded again") in moves
        assert moves[-1][:2] == ("fetching", "stored")


async def test_a_superseded_version_is_told_to_be_gone_and_stays_as_it_is(tmp_path: Path) -> None:
    async with home(tmp_path, Scene(size="9 kB", republished=(100.0,))) as at_home:
        at_home.seconds[0] = 200
        assert await at_home.once() == []
        first, second = await at_home.deliveries()
        spoiled = spoil(at_home.file(first))
        at_home.rig.simulator.journal.clear()
        done = (await at_home.repair())[first.path or ""]
        assert done.detail == "version 2 is stored, and the provider offers only the latest version"
        assert (done.mended, at_home.downloads()) == (False, 0)
        assert at_home.file(first).read_bytes() == spoiled
        assert list(await at_home.deliveries()) == [first, second]


async def test_a_lost_file_that_was_published_anew_comes_as_it_now_is(tmp_path: Path) -> None:
    """Its old bytes are no more to be had; nothing of them is mixed in, and a later look wants nothing."""
    async with home(tmp_path, Scene(size="9 kB", republished=(100.0,))) as at_home:
        before, path = await the_file(at_home)
        path.unlink()
        at_home.seconds[0] = 200
        assert (await at_home.repair())[before.path or ""].mended
        after, path = await the_file(at_home)
        assert (after.state, after.version) == (DeliveryState.STORED, 1)
        assert after.sha256 != before.sha256
        assert after.fingerprint != before.fingerprint
        await at_home.assert_whole()
        at_home.rig.simulator.journal.clear()
        assert await at_home.once() == []
        assert at_home.downloads() == 0


async def test_an_old_file_is_not_fetched_while_a_newer_version_is_on_its_way(tmp_path: Path) -> None:
    async with home(tmp_path, Scene(size="9 kB", republished=(100.0,))) as at_home:
        first, path = await the_file(at_home)
        path.unlink()
        async with open_store(at_home.rig.database) as store:
            order = await store.orders.get("main", "7")
            assert order is not None
            newer = Delivery(
                account="main",
                order_id="7",
                task_id=7,
                capture_id=first.capture_id,
                scene_id=first.scene_id,
                attachment=first.attachment,
                version=2,
                file_name=first.file_name,
                fingerprint="newer",
            )
            await store.orders.save(Verdict(order=order, wanted=(newer,)))
        done = (await at_home.repair())[first.path or ""]
        assert (done.mended, done.queued) == (False, None)
        assert "newer version is queued already" in done.detail


async def test_a_user_who_moved_a_file_keeps_it_though_a_crash_left_its_second_name(tmp_path: Path) -> None:
    """A killed daemon's partial is another link to the stored bytes: fetching must not write into them."""
    async with home(tmp_path, Scene(size="9 kB")) as at_home:
        delivery, path = await the_file(at_home)
        os.link(path, at_home.staging / "partial" / partial_name(delivery))
        moved = path.rename(tmp_path / "mine.zip")
        assert (await at_home.repair())[delivery.path or ""].mended
        assert sha256(moved) == delivery.sha256
        await at_home.assert_whole()


async def test_what_the_disk_does_not_let_go_is_told_and_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(tmp_path) as at_home:
        delivery, path = await the_file(at_home)
        spoil(path)

        def refuse(self: Path, _target: Path) -> Path:
            raise PermissionError(1, "Operation not permitted", str(self))

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", refuse)
            done = (await at_home.repair())[delivery.path or ""]
        assert (done.mended, done.queued) == (False, None)
        assert done.detail == f"cannot quarantine {delivery.path}: Operation not permitted"
        assert (await at_home.deliveries())[0] == delivery


async def test_a_file_that_came_back_before_the_repair_is_left_alone(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        delivery, path = await the_file(at_home)
        aside = path.rename(tmp_path / "aside")
        audit = await at_home.verify()
        aside.rename(path)
        (done,) = await repair.begin_repair(resolve(at_home.settings), audit, datetime.now(UTC))
        assert (done.mended, done.detail) == (True, "no longer applies")
        assert (await at_home.deliveries())[0] == delivery


async def test_a_repair_that_was_killed_half_way_is_done_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is set aside, and the row does not know it yet."""
    async with home(tmp_path) as at_home:
        _, path = await the_file(at_home)
        spoiled = spoil(path)
        with monkeypatch.context() as patched:
            patched.setattr(repair, "on_loss", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await at_home.repair()
        assert not path.exists()
        assert all(one.mended for one in (await at_home.repair()).values())
        await at_home.assert_whole()
        assert at_home.quarantined()[path.name] == spoiled


async def test_what_cannot_be_fetched_again_says_why(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        delivery, path = await the_file(at_home)
        path.unlink()
        stranger = at_home.settings.model_copy(
            update={"accounts": {"other": at_home.settings.accounts["main"]}}
        )
        done = (await replace(at_home, settings=stranger).repair())[delivery.path or ""]
        assert (done.mended, done.detail) == (False, "wanted: account main is not in the configuration")


async def test_the_command_names_what_is_wrong_and_is_content_once_it_is_mended(
    tmp_path: Path, forks: Path
) -> None:
    async with home(tmp_path, forks=forks) as at_home:
        first, second = at_home.rig.zips()
        spoil(first)
        second.unlink()
        ended = await at_home.rig.call("verify", "--json")
        told = json.loads(ended.out)
        assert (ended.code, told["checked"]) == (1, 2)
        assert {f["kind"] for f in told["findings"]} == {"missing", "changed"}
        assert set(told["findings"][0]) == {
            "kind", "account", "order_id", "task_id", "capture_id", "scene_id", "attachment", "root", "path",
            "detail", "repair",
        }  # fmt: skip
        assert len(ended.err.splitlines()) == 2
        ended = await at_home.rig.call("verify", "--repair")
        assert ended.code == 0
        assert ended.out.count("downloaded again") == 2
        assert "2 findings: 1 missing, 1 changed; 2 mended" in ended.out
        await at_home.assert_whole()
