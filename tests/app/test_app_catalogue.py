"""The catalogue of what is stored: a reader that walks it finds every file, whatever came before."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
import pytest
from structlog.testing import LogCapture
from tests.app.catalogue_kit import items, listed, validate
from tests.app.upkeep_kit import EVERYTHING, Home, home
from tests.databases import new_database
from tests.db.kit import a_delivery, want
from tests.logs import events
from tests.patience import PATIENCE

from orderwatch.app.commands.rebuild import rebuild_catalog
from orderwatch.app.held_database import held_database
from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.core.deliveries.state_machine import on_loss
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.core.stac_pages import Node
from orderwatch.db.catalog.listing import Catalog
from orderwatch.db.repositories import open_store
from orderwatch.errors import ConfigError
from orderwatch.ops.log import Redactor
from orderwatch.ports import Generation, SceneRead, Unlisted
from orderwatch.service.catalog import CatalogTree, CatalogUpdater
from orderwatch.simulator.scenario import Scene
from orderwatch.transfer.tree.catalog_files import CatalogWriter

__all__ = ["events"]

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LONG = pytest.mark.long
KINDS = 'attachments = ["delivery_zip", "footprint", "thumbnail", "preview"]\n'


def switch(at_home: Home, *, on: bool, more: str = "") -> None:
    at_home.rig.configure(EVERYTHING, f"stac = {str(on).lower()}\n{more}")
    at_home.settings = load(at_home.rig.config, resolve=True)


async def stored(at_home: Home, root: str | None = None) -> dict[str, str]:
    kept = [d for d in await at_home.deliveries() if d.stored_at is not None and d.root == root]
    return {d.path or "": d.sha256 or "" for d in kept}


async def test_a_reader_that_walks_it_finds_every_stored_file(tmp_path: Path) -> None:
    scenes = [Scene(size="9 kB", republished=(100.0,)), Scene(size="9 kB")]
    async with home(tmp_path, *scenes) as at_home:
        assert not (at_home.tree / "catalog.json").exists()
        switch(at_home, on=True, more=KINDS)
        assert await at_home.once() == []
        assert listed(at_home.tree) == await stored(at_home)
        at_home.seconds[0] = 200
        assert await at_home.once() == []
        found = listed(at_home.tree)
        assert found == await stored(at_home)
        assert sum(path.endswith(".zip") for path in found) == 3
        validate(at_home.tree)
        (first, second) = sorted(items(at_home.tree), key=lambda item: len(item.assets))
        assert {"delivery_zip", "footprint", "thumbnail", "preview"} <= set(first.assets)
        assert "delivery_zip.v1" in second.assets
        assert (first.geometry or {})["type"] == "Polygon"
        assert await at_home.found() == set()
        assert {c.title for c in pystac.Catalog.from_file(f"{at_home.tree}/catalog.json").get_children()} == {
            "Harbour"
        }


async def test_what_was_stored_before_is_listed_once_it_is_switched_on(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        assert await at_home.once() == []
        async with open_store(at_home.rig.database) as store:
            assert len(await store.catalog.unlisted(None)) == 2
        switch(at_home, on=True)
        assert await at_home.once() == []
        assert listed(at_home.tree) == await stored(at_home)
        async with open_store(at_home.rig.database) as store:
            assert await store.catalog.unlisted(None) == []
        before = {path: path.stat().st_ino for path in at_home.tree.rglob("stac/**/*.json")}
        assert await at_home.once() == []
        assert {path: path.stat().st_ino for path in before} == before


@pytest.mark.long
async def test_each_tree_has_a_catalogue_of_its_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    async with home(tmp_path, watch=f"{EVERYTHING}\n[watch.delivery]\nroot = '{own}'") as at_home:
        text = at_home.rig.config.read_text().replace('keep_free = "0"', 'keep_free = "0"\nstac = true')
        at_home.rig.config.write_text(text)
        at_home.settings = load(at_home.rig.config, resolve=True)
        assert await at_home.once() == []
        assert len(listed(own)) == 2
        assert listed(own) == await stored(at_home, str(own))
        assert not (at_home.tree / "catalog.json").exists()


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("survived", "marks"),
    [
        *(pytest.param(number, "none", marks=LONG) for number in range(8)),
        (9, "listing._mark_listed"),
        (9, "nodes.link_children"),
    ],
)
async def test_a_crash_at_any_step_leaves_a_catalogue_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int, marks: str
) -> None:
    """Two empty pages, two items, their month, year, collection and root, and the marks in the rows."""
    async with home(tmp_path, Scene(size="9 kB"), Scene(size="9 kB")) as at_home:
        switch(at_home, on=True)
        put, left = CatalogWriter._write_one, [survived]

        def limited(self: CatalogWriter, target: Path, content: bytes) -> None:
            if not left[0]:
                raise Crash
            left[0] -= 1
            put(self, target, content)

        def unmarked(*_: object) -> None:
            raise Crash

        with monkeypatch.context() as patched:
            patched.setattr(CatalogWriter, "_write_one", limited)
            if marks != "none":
                patched.setattr(f"orderwatch.db.catalog.{marks}", unmarked)
            with pytest.raises(Crash):
                await at_home.once()
        if (at_home.tree / "catalog.json").exists():
            listed(at_home.tree)
        assert await at_home.once() == []
        assert listed(at_home.tree) == await stored(at_home)
        assert await at_home.found() == set()


async def test_what_is_no_longer_stored_is_taken_out_until_it_is_again(tmp_path: Path) -> None:
    async with home(tmp_path, Scene(size="9 kB"), Scene(size="8 kB")) as at_home:
        switch(at_home, on=True)
        assert await at_home.once() == []
        for lost in await at_home.deliveries():
            before = len(items(at_home.tree))
            at_home.file(lost).unlink()
            async with open_store(at_home.rig.database) as store:
                await store.deliveries.save(on_loss(lost, NOW, "lost"))
                tree = CatalogTree(str(at_home.tree), CatalogWriter(at_home.tree), at_once)
                assert await CatalogUpdater(store, {None: tree}).update() == []
                assert await store.catalog.unlisted(None) == []
            assert len(items(at_home.tree)) == before - 1
        assert list(at_home.tree.rglob("stac/**/*.json")) == []
        assert await at_home.once() == []
        assert listed(at_home.tree) == await stored(at_home) != {}


async def at_once() -> None:
    pass


@pytest.mark.parametrize("stranger", ["catalog.json", pytest.param("stac", marks=LONG)])
async def test_a_strangers_file_is_never_overwritten_and_said_once(
    tmp_path: Path, stranger: str, events: LogCapture
) -> None:
    async with home(tmp_path) as at_home, open_store(at_home.rig.database) as store:
        kept: dict[str | None, CatalogTree] = {
            None: CatalogTree(str(at_home.tree), CatalogWriter(at_home.tree), at_once)
        }
        catalog_updater = CatalogUpdater(store, kept)
        for _ in range(2):
            (at_home.tree / stranger).write_text('{"stac_version": "1.0.0"}')
            for _ in range(2):
                (problem,) = await catalog_updater.update()
                assert "cannot write the catalog" in problem
            assert (at_home.tree / stranger).read_text() == '{"stac_version": "1.0.0"}'
            catalog_updater.replace_trees({})  # nobody wants it any more
            catalog_updater.replace_trees(kept)
        (at_home.tree / stranger).unlink()
        await catalog_updater.update()
        assert listed(at_home.tree) == await stored(at_home)
        said = [e["event"] for e in events.entries if e["event"].startswith("catalogue.")]
        assert said == ["catalogue.failing", "catalogue.restored"] * 2 + ["catalogue.written"]


async def test_what_keeps_failing_is_tried_ever_more_seldom(tmp_path: Path) -> None:
    """Each attempt may write thousands of documents."""
    (tmp_path / ".orderwatch").mkdir()
    (tmp_path / "catalog.json").write_text("{}")
    seconds, tries = [0.0], []

    async def ready() -> None:
        tries.append(seconds[0])

    async with open_store(new_database(tmp_path / "database")) as store:
        await want(store, listable(1))
        tree = CatalogTree(str(tmp_path), CatalogWriter(tmp_path), ready)
        catalog_updater = CatalogUpdater(store, {None: tree}, steady=lambda: seconds[0])
        for seconds[0] in range(0, 4000, 5):
            (problem,) = await catalog_updater.update()
            assert "catalog.json is not a catalog file" in problem
        assert tries == [0, 30, 90, 210, 450, 930, 1830, 2730, 3630]
        (tmp_path / "catalog.json").unlink()
        catalog_updater.replace_trees({None: tree})  # after a reload it is tried at once
        assert await catalog_updater.update() == []
        assert len(items(tmp_path)) == 1


async def test_what_is_listed_of_many_scenes_stays_so_when_the_rest_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderwatch.service.catalog._MAX_SCENES", 1)
    (tmp_path / ".orderwatch").mkdir()
    (tmp_path / "stac" / "main-no-project" / "2").mkdir(parents=True)
    (tmp_path / "stac" / "main-no-project" / "2" / "scene-1.json").write_text("{}")
    async with open_store(new_database(tmp_path / "database")) as store:
        for task_id in (1, 2):
            await want(store, listable(task_id))
        tree = CatalogTree(str(tmp_path), CatalogWriter(tmp_path), at_once)
        assert len(await CatalogUpdater(store, {None: tree}).update()) == 1
        assert [one.order_id for one in await store.catalog.unlisted(None)] == ["2"]
        assert [item.properties["orderwatch:task_id"] for item in items(tmp_path)] == [1]


def listable(task_id: int) -> Delivery:
    facts: dict[str, Any] = {"path": f"{task_id}.zip", "size": 1, "sha256": "0f" * 32, "stored_at": NOW}
    return a_delivery(task_id=task_id, state=DeliveryState.STORED, **facts)


async def test_the_rebuilt_catalogue_is_as_the_rows_are(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        with pytest.raises(ConfigError, match="stac = true"):
            await rebuild_catalog(resolve(at_home.settings), Redactor())
        switch(at_home, on=True)
        assert await at_home.once() == []
        left = former_project(at_home.tree)
        for path in at_home.tree.glob("stac/*/7/*.json"):
            path.unlink()
        with held_database(at_home.settings.database):  # as a daemon does
            assert await rebuild_catalog(resolve(at_home.settings), Redactor()) is None
        assert await rebuild_catalog(resolve(at_home.settings), Redactor()) == []
        validate(at_home.tree)
        assert listed(at_home.tree) == await stored(at_home)
        assert not left.exists()


@pytest.mark.long
async def test_a_database_that_is_lost_is_rebuilt_beside_the_catalogue(tmp_path: Path) -> None:
    async with home(tmp_path) as at_home:
        switch(at_home, on=True)
        assert await at_home.once() == []
        at_home.lose_database()
        assert (await at_home.rebuild()).refused == []
        assert await at_home.once() == []
        assert listed(at_home.tree) == await stored(at_home)


async def test_the_daemon_keeps_it_and_writes_it_anew_when_it_is_told_to(tmp_path: Path, forks: Path) -> None:
    async with home(tmp_path, Scene(size="9 kB"), forks=forks) as at_home:
        rig = at_home.rig
        ended = await rig.call("stac", "rebuild")
        assert (ended.code, ended.err.count("set stac = true")) == (2, 1)
        switch(at_home, on=True)
        daemon = await rig.start("run")
        await until((rig.tree / "catalog.json").exists)
        item = only_item(rig.tree)
        item.unlink()
        left = former_project(rig.tree)
        ended = await rig.call("stac", "rebuild")
        assert (ended.code, ended.out) == (0, "the running daemon writes the catalog again\n")
        await until(item.exists)
        await until(lambda: not left.exists())
        assert await rig.terminated(daemon) == 0
        item.unlink()
        assert (await rig.call("stac", "rebuild")).code == 0
        assert listed(rig.tree) == await stored(at_home)


def only_item(tree: Path) -> Path:
    (item,) = tree.glob("stac/*/*/*.json")
    return item


def former_project(tree: Path) -> Path:
    """Its collection, which nothing links to any more."""
    left = tree / "stac" / "main-former-name" / "collection.json"
    left.parent.mkdir()
    left.write_text('{"orderwatch:catalogue": 1}')
    return left


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not reached():
            await asyncio.sleep(0.05)


class OddCatalog(Catalog):
    """Rows of which one order's are not what anybody reckons with, while it is `on`."""

    on = True

    async def scenes(self, root: str | None, unlisted: Collection[Unlisted]) -> list[SceneRead]:
        odd: Any = 7 if self.on else None
        return [
            read._replace(order=replace(read.order, project_name=odd)) if read.order.task_id == 2 else read
            for read in await super().scenes(root, unlisted)
        ]


async def test_an_error_of_our_own_leaves_out_one_scene_and_says_it_once(
    tmp_path: Path, events: LogCapture
) -> None:
    (tmp_path / ".orderwatch").mkdir()
    seconds = [0.0]
    async with open_store(new_database(tmp_path / "database")) as store:
        for task_id in range(1, 6):
            await want(store, listable(task_id))
        odd, tree = (
            OddCatalog(store.database),
            CatalogTree(str(tmp_path), CatalogWriter(tmp_path), at_once),
        )
        catalog_updater = CatalogUpdater(replace(store, catalog=odd), {None: tree}, steady=lambda: seconds[0])
        for seconds[0] in (0, 5, 1000):
            assert await catalog_updater.update() == []
            assert sorted(i.properties["orderwatch:task_id"] for i in items(tmp_path)) == [1, 3, 4, 5]
        odd.on = False
        seconds[0] = 2000
        await catalog_updater.update()
        assert len(items(tmp_path)) == 5
    said = [e for e in events.entries if e["event"].startswith("catalogue.item")]
    assert [e["event"] for e in said] == ["catalogue.item_failed", "catalogue.item_restored"]
    assert {(e["order_id"], e["task_id"]) for e in said} == {("2", 2)}


class Unlisting(Catalog):
    """Rows that are all to be listed again, while a round is about to mark them."""

    left = 1

    async def mark_listed(
        self,
        root: str | None,
        generation: Generation,
        scenes: Mapping[str, SceneRead],
        nodes: Collection[Node],
    ) -> bool:
        if self.left:
            self.left -= 1
            await self.unlist_all()
        return await super().mark_listed(root, generation, scenes, nodes)


async def test_what_is_to_be_written_anew_in_the_middle_of_a_round_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / ".orderwatch").mkdir()
    async with open_store(new_database(tmp_path / "database")) as store:
        await want(store, listable(1))
        tree = CatalogTree(str(tmp_path), CatalogWriter(tmp_path), at_once)
        catalog_updater = CatalogUpdater(replace(store, catalog=Unlisting(store.database)), {None: tree})
        assert await catalog_updater.update() == []
        item = only_item(tmp_path)
        item.unlink()
        left = former_project(tmp_path)
        assert await catalog_updater.update() == []
        assert (item.exists(), left.exists()) == (True, False)
        assert await store.catalog.unlisted(None) == []
