"""The files of the catalogue: only its own are written over, whatever stands there or was left by a crash."""

import json
from pathlib import Path

import pytest

from orderwatch.core.stac import Document
from orderwatch.errors import DiskError
from orderwatch.transfer.tree.catalog_files import CatalogWriter


@pytest.mark.parametrize("beside", ["", ".json"])
async def test_a_delivery_under_a_name_of_the_catalogue_is_refused(tmp_path: Path, beside: str) -> None:
    """Even one that looks like the catalogue's own: it has a sidecar."""
    document: Document = {"orderwatch:catalogue": 1}
    path = "stac/main-harbour/7/s1.json"
    target = tmp_path / path
    target.parent.mkdir(parents=True)
    (tmp_path / ".orderwatch").mkdir()
    target.with_name("s1.json.json").write_text("{}")
    if not beside:
        target.write_text(json.dumps(document))
    before = {p: p.read_bytes() for p in target.parent.iterdir()}
    writer = CatalogWriter(tmp_path)
    with pytest.raises(DiskError, match="is not a catalog file"):
        await writer.write({path: document})
    await writer.remove([path])
    assert {p: p.read_bytes() for p in target.parent.iterdir()} == before


async def test_a_crash_between_two_names_of_a_file_costs_no_item_its_content(tmp_path: Path) -> None:
    """What is written aside got its name, and is still there."""
    (tmp_path / ".orderwatch").mkdir()
    first, second = (f"stac/main-harbour/7/s{n}.json" for n in (1, 2))
    documents: dict[str, Document] = {p: {"orderwatch:catalogue": 1, "id": p} for p in (first, second)}
    writer = CatalogWriter(tmp_path)
    await writer.write({first: documents[first]})
    (tmp_path / ".orderwatch" / "catalogue.new").hardlink_to(tmp_path / first)
    await writer.write(documents)
    assert {path: json.loads((tmp_path / path).read_bytes()) for path in documents} == documents


async def test_no_link_leads_the_catalogue_out_of_the_tree(tmp_path: Path) -> None:
    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    (tree / ".orderwatch").mkdir(parents=True)
    elsewhere.mkdir()
    (tree / "stac").symlink_to(elsewhere)
    with pytest.raises(DiskError, match="leads out of the tree"):
        await CatalogWriter(tree).write({"stac/a/collection.json": {}})
    assert list(elsewhere.iterdir()) == []


async def test_where_no_tree_stands_no_folder_is_made(tmp_path: Path) -> None:
    """As when its volume was unmounted in the middle of many items."""
    tree = tmp_path / "tree"
    tree.mkdir()
    with pytest.raises(DiskError, match="No such file"):
        await CatalogWriter(tree).write({"stac/a/7/s1.json": {}})
    assert list(tree.iterdir()) == []
