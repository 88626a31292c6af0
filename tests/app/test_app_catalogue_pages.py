"""The pages of the catalogue: one more item costs the same at any size, and every way to an item is whole."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac.validation import validate_dict
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tests.databases import new_database
from tests.db.kit import NOW, a_delivery, an_order, facts, want

from orderwatch.core import stac, stac_pages
from orderwatch.core.deliveries.state_machine import on_loss
from orderwatch.core.model import Delivery, DeliveryState, SceneFacts
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.migrate import upgrade
from orderwatch.db.repositories import Store, open_store
from orderwatch.service.catalog import CatalogTree, CatalogUpdater
from orderwatch.transfer.tree.catalog_files import CatalogWriter

CORNERS = [[10, 5], [11, 5], [11, 6], [10, 6], [10, 5]]
SCENE = SceneFacts(timestamp=NOW, footprint={"type": "Polygon", "coordinates": [CORNERS]})
OLD_ITEM = {"orderwatch:catalogue": 1, "id": "old"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / ".orderwatch").mkdir()
    return tmp_path


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stac_pages, "_PAGE_SIZE", 3)
    monkeypatch.setattr(stac_pages, "_MAX_CHILD_PAGES", 2)


async def ready() -> None: ...


def updater(store: Store, tree: Path) -> CatalogUpdater:
    return CatalogUpdater(store, {None: CatalogTree(str(tree), CatalogWriter(tree), ready)})


def tile(number: int, task_id: int = 1, attachment: str = "visual", scene: SceneFacts = SCENE) -> Delivery:
    path = f"{task_id}/{number}-{attachment}.tif"
    stored: dict[str, Any] = {"path": path, "size": 1, "sha256": "0f" * 32, "stored_at": NOW, "scene": scene}
    given: dict[str, Any] = {"task_id": task_id, "attachment": attachment, "state": DeliveryState.STORED}
    return a_delivery(f"scene-{number}", **given, **stored)


def walked(tree: Path) -> list[str]:
    """The path of every item, once for each way to it from the root; every link of a document is followed."""
    found, todo = [], ["catalog.json"]
    while todo:
        path = todo.pop()
        document = json.loads((tree / path).read_bytes())
        links = [
            (link["rel"], os.path.normpath(f"{Path(path).parent}/{link['href']}"))
            for link in document["links"]
        ]
        assert all((tree / target).is_file() for _, target in links), path
        if document["type"] == "Feature":
            found.append(path)
            continue
        assert len(links) <= 2 + 200
        below = [target for rel, target in links if rel in {"child", "item"}]
        for target in below:
            child = json.loads((tree / target).read_bytes())
            parents = [link["href"] for link in child["links"] if link["rel"] == "parent"]
            assert [os.path.normpath(f"{Path(target).parent}/{href}") for href in parents] == [path]
        todo += below
    return found


def every_document(tree: Path) -> set[str]:
    return {str(path.relative_to(tree)) for path in tree.glob("stac/**/*.json")}


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Statements, and documents with their links, while this holds."""
    counts: Counter[str] = Counter()
    put = CatalogWriter._write_one

    def executed(*_: Any) -> None:  # noqa: ANN401 - of SQLAlchemy
        counts["statements"] += 1

    def counting(self: CatalogWriter, target: Path, content: bytes) -> None:
        counts["documents"] += 1
        counts["links"] += len(json.loads(content)["links"])
        put(self, target, content)

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(CatalogWriter, "_write_one", counting)
            yield counts
    finally:
        event.remove(Engine, "before_cursor_execute", executed)


@pytest.mark.usefixtures("small_pages")
async def test_one_more_tile_costs_as_many_documents_and_statements_at_any_size(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    async with open_store(new_database(tree / "database")) as store:
        for before, size in ((0, 4), (4, 130)):
            await want(store, *(tile(number) for number in range(before, size)))
            assert await updater(store, tree).update() == []
            await want(store, tile(size))
            with counted(monkeypatch) as counts:
                assert await updater(store, tree).update() == []
            costs.append(counts)
            await want(store, *(tile(size, attachment=name) for name in ("cloud", "thumbnail")))
            assert await updater(store, tree).update() == []
    assert costs[0] == costs[1]
    assert costs[0]["documents"] == 2  # the item and its page


async def test_hundreds_of_tiles_of_seven_assets_are_listed_by_few_transactions(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("visual", "analytic", "cloud", "mask", "metadata", "preview", "thumbnail")
    async with open_store(new_database(tree / "database")) as store:
        await want(store, *(tile(number, attachment=name) for number in range(300) for name in names))
        with counted(monkeypatch) as counts:
            assert await updater(store, tree).update() == []
    assert counts["statements"] < 100
    assert len(walked(tree)) == 300


@pytest.mark.usefixtures("small_pages")
async def test_every_item_is_linked_once_whatever_order_and_project_it_is_of(tree: Path) -> None:
    async with open_store(new_database(tree / "database")) as store:
        for task_id in range(1, 8):
            await store.orders.save(Verdict(order=an_order(task_id, project_name=f"p{task_id}")))
            for number in range(3 * task_id):
                await want(store, tile(number, task_id))
            assert await updater(store, tree).update() == []
            expected = sum(range(task_id + 1)) * 3
            found = walked(tree)
            assert (len(found), len(set(found))) == (expected, expected)
    catalogue = pystac.Catalog.from_file(str(tree / "catalog.json"))
    for document in (catalogue, *catalogue.get_collections()):
        validate_dict(document.to_dict(transform_hrefs=False), extensions=[])
    assert len({item.id for item in catalogue.get_items(recursive=True)}) == 84
    assert (tree / "stac" / "catalog.1.json").exists()


@pytest.mark.usefixtures("small_pages")
async def test_what_is_gone_takes_its_pages_with_it_and_the_extent_shrinks(tree: Path) -> None:
    far = SceneFacts(timestamp=NOW, footprint={"type": "Point", "coordinates": [40.0, 50.0]})
    async with open_store(new_database(tree / "database")) as store:
        held = await want(
            store, *(tile(number, scene=far if number == 20 else SCENE) for number in range(21))
        )
        assert await updater(store, tree).update() == []
        for lost in reversed(held[1:]):
            collection = pystac.Collection.from_file(str(tree / "stac/main-no-project/collection.json"))
            is_far = lost.scene_id == "scene-20"
            assert collection.extent.spatial.bboxes == [[10, 5, 40, 50] if is_far else [10, 5, 11, 6]]
            await store.deliveries.save(on_loss(lost, NOW, "lost"))
            assert await updater(store, tree).update() == []
            assert f"stac/main-no-project/1/{lost.scene_id}.json" not in walked(tree)
        assert len(walked(tree)) == 1
        assert len(every_document(tree)) == 4  # the item, its month, year and collection
        await want(store, *(tile(number) for number in range(30, 40)))
        assert await updater(store, tree).update() == []
        assert len(walked(tree)) == 11


def old_layout(tree: Path, count: int) -> None:
    """The catalogue as the release before wrote it: a collection lists its items."""
    folder = tree / "stac" / "main-no-project"
    (folder / "1").mkdir(parents=True, exist_ok=True)
    links = [{"rel": "child", "href": "./stac/main-no-project/collection.json"}]
    (tree / "catalog.json").write_text(
        json.dumps({"orderwatch:catalogue": 1, "type": "Catalog", "links": links})
    )
    names = [f"scene-{number}.json" for number in range(count)]
    for name in names:
        above = [{"rel": "parent", "href": "../collection.json"}]
        item = {"orderwatch:catalogue": 1, "type": "Feature", "links": above}
        (folder / "1" / name).write_text(json.dumps(item))
    links = [
        {"rel": "parent", "href": "../../catalog.json"},
        *({"rel": "item", "href": f"./1/{name}"} for name in names),
    ]
    (folder / "collection.json").write_text(
        json.dumps({"orderwatch:catalogue": 1, "type": "Collection", "links": links})
    )


def reachable(tree: Path) -> list[str]:
    """The items that a reader reaches now; no link on the way, up or down, is broken."""
    found, todo = [], ["catalog.json"]
    while todo:
        path = todo.pop()
        document = json.loads((tree / path).read_bytes())
        for link in document["links"]:
            target = os.path.normpath(f"{Path(path).parent}/{link['href']}")
            assert (tree / target).is_file(), (path, link)
            if link["rel"] == "child":
                todo.append(target)
            elif link["rel"] == "item":
                item = json.loads((tree / target).read_bytes())
                ups = [up["href"] for up in item["links"]]
                assert all((tree / os.path.normpath(f"{Path(target).parent}/{up}")).is_file() for up in ups)
                found.append(target)
    return found


class Crash(BaseException):
    """The process ends here."""


class BrokenError(BaseException):
    """A reader missed an item, or found a link that leads nowhere."""


@pytest.mark.usefixtures("small_pages")
async def test_the_layout_before_is_replaced_and_a_reader_finds_every_item_at_any_moment(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every document a reader looks, and the process ends; the next one goes on."""
    old_layout(tree, 20)
    orphan = tree / "stac" / "main-no-project" / "9" / "left.json"
    orphan.parent.mkdir()
    orphan.write_text(json.dumps(OLD_ITEM))
    expected = Counter(f"stac/main-no-project/1/scene-{number}.json" for number in range(20))
    put, left = CatalogWriter._write_one, [0]

    def watched(self: CatalogWriter, target: Path, content: bytes) -> None:
        if not left[0]:
            raise Crash
        left[0] -= 1
        put(self, target, content)
        try:
            assert Counter(reachable(tree)) == expected, target
        except AssertionError as error:  # which the updater would take for a scene that it has to skip
            raise BrokenError from error

    monkeypatch.setattr(CatalogWriter, "_write_one", watched)
    monkeypatch.setattr("orderwatch.service.catalog._MAX_SCENES", 7)
    async with open_store(new_database(tree / "database")) as store:
        await want(store, *(tile(number) for number in range(20)))
        crashes = 0
        for allowed in range(1, 100):
            left[0] = allowed
            try:
                assert await updater(store, tree).update() == []
            except Crash:
                crashes += 1
                assert orphan.exists()
                continue
            break
        assert crashes > 5
        assert Counter(walked(tree)) == expected
        assert not orphan.exists()
        documents = every_document(tree)
        assert len(documents) == 20 + 7 + 1 + 1  # items, pages of the month, year, collection
        left[0] = 0
        assert await updater(store, tree).update() == []


async def test_a_new_item_reads_only_rows_of_its_scene_and_its_page(tree: Path) -> None:
    """Every statement of an update finds its rows by an index."""
    statements: dict[str, Any] = {}

    def executed(_db: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:  # noqa: ANN401 - of SQLAlchemy
        statements[statement] = values[0] if values and isinstance(values, list) else values

    database = new_database(tree / "database")
    async with open_store(database) as store:
        held = await want(store, *(tile(number) for number in range(5)))
        await updater(store, tree).update()
        await want(store, tile(5))
        await store.deliveries.save(on_loss(held[0], NOW, "lost"))
        event.listen(Engine, "before_cursor_execute", executed)
        try:
            await updater(store, tree).update()
        finally:
            event.remove(Engine, "before_cursor_execute", executed)

        def plans(db: Any) -> list[str]:  # noqa: ANN401 - of SQLAlchemy
            found = []
            for statement, values in statements.items():
                if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                    rows = db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
                    found += [f"{row[3]}: {statement}" for row in rows]
            return found

        steps = await store.database.read(plans)
    assert [step for step in steps if step.startswith("SCAN ") and "VIRTUAL TABLE" not in step] == []
    assert any("ix_deliveries_unlisted" in step for step in steps)
    assert any("ix_deliveries_scene" in step for step in steps)
    assert facts(database, "SELECT count(*) FROM catalog_nodes WHERE state != 'linked'") == [(0,)]
    assert stac.CATALOGUE in {path for (path,) in facts(database, "SELECT path FROM catalog_nodes")}


async def test_what_the_release_before_listed_is_listed_again_after_the_migration(tree: Path) -> None:
    database = new_database(tree / "database")
    async with open_store(database) as store:
        held = await want(store, *(tile(number) for number in range(3)))
        assert await updater(store, tree).update() == []
        await store.deliveries.save(on_loss(held[0], NOW, "lost"))  # its item is still to be removed
    upgrade(database, "0012")
    old_layout(tree, 3)
    upgrade(database)
    async with open_store(database) as store:
        assert await updater(store, tree).update() == []
        assert sorted(walked(tree)) == [f"stac/main-no-project/1/scene-{number}.json" for number in (1, 2)]
        assert not (tree / "stac" / "main-no-project" / "1" / "scene-0.json").exists()
