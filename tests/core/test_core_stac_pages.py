"""The pages of the catalogue: sound STAC, each of bounded size, and a single way to every item."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pystac.validation import validate_dict
from tests.core.samples import DAY, NOON

from orderwatch.core import stac_pages
from orderwatch.core.stac import Extent
from orderwatch.core.stac_pages import Node, NodeState

FOLDER = "stac/main-fiji"
EAST, FIJI = (178.0, -18.0, 179.0, -17.0), (179.5, -17.0, -179.5, -16.0)


def validated(document: dict[str, Any]) -> dict[str, Any]:
    validate_dict(json.loads(json.dumps(document)), extensions=[])
    return document


def an_item(number: int = 0, **facts: Any) -> Node:  # noqa: ANN401 - of any field
    path = f"{FOLDER}/7/s{number}.json"
    extent = facts.pop("extent", Extent(NOON, NOON, EAST))
    head = stac_pages.month_of(path, extent)
    parent = stac_pages.page_of(head, number)
    given = {"account": "main", "project_name": "Fiji", "extent": extent, **facts}
    return Node(path=path, parent=parent, head=head, number=number, **given)


def pages_above(nodes: list[Node]) -> dict[str, tuple[Node, list[Node]]]:
    """Every page with its children, built from the deepest to the root."""
    children: defaultdict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        children[node.parent].append(node)
    done: dict[str, tuple[Node, list[Node]]] = {}
    while left := children.keys() - done.keys():
        page = max(left, key=stac_pages.rank)
        node = stac_pages.merged(page, children[page], None, 0 if stac_pages.is_collection(page) else None)
        done[page] = node, children[page]
        if node.parent != page:
            children[node.parent].append(node)
    return done


def links(document: dict[str, Any], rel: str) -> list[str]:
    return [link["href"] for link in document["links"] if link["rel"] == rel]


def test_the_way_to_an_item_is_project_year_month() -> None:
    done = pages_above([an_item()])
    found = {path: validated(stac_pages.document(node, children)) for path, (node, children) in done.items()}
    assert {path: (*links(d, "root"), *links(d, "parent")) for path, d in found.items()} == {
        f"{FOLDER}/2026-11.json": ("../../catalog.json", "./2026.json"),
        f"{FOLDER}/2026.json": ("../../catalog.json", "./collection.json"),
        f"{FOLDER}/collection.json": ("../../catalog.json", "../../catalog.json"),
        "catalog.json": ("./catalog.json",),
    }
    assert {path: (*links(d, "child"), *links(d, "item")) for path, d in found.items()} == {
        f"{FOLDER}/2026-11.json": ("./7/s0.json",),
        f"{FOLDER}/2026.json": ("./2026-11.json",),
        f"{FOLDER}/collection.json": ("./2026.json",),
        "catalog.json": ("./stac/main-fiji/collection.json",),
    }
    collection = found[f"{FOLDER}/collection.json"]
    assert (collection["id"], collection["title"]) == ("main-fiji", "Fiji")


def test_no_page_of_a_month_has_more_than_two_hundred_links() -> None:
    nodes = [an_item(number) for number in range(10_250)]
    done = pages_above(nodes)
    sizes = {path: len(children) for path, (_, children) in done.items()}
    assert max(sizes.values()) == 200
    assert sizes[f"{FOLDER}/2026-11.102.json"] == 50
    assert done[f"{FOLDER}/2026-11.102.json"][0].parent == f"{FOLDER}/2026-11.1.json"
    ways = Counter(child.path for _, children in done.values() for child in children)
    assert set(ways.values()) == {1}
    assert ways.keys() == {node.path for node in nodes} | done.keys() - {"catalog.json"}
    page = validated(stac_pages.document(*done[f"{FOLDER}/2026-11.102.json"]))
    assert (page["id"], page["title"]) == ("main-fiji-2026-11.102", "2026-11, page 103")


@pytest.mark.parametrize("number", [0, 99, 100, 10_099, 10_100])
def test_a_page_of_the_root_lists_a_hundred_collections_and_a_hundred_pages(number: int) -> None:
    collection = stac_pages.merged(f"{FOLDER}/collection.json", [an_item()], None, number)
    page = collection.parent
    assert (page == "catalog.json") == (number < 100)
    chain = stac_pages.lineage(page)
    assert len(chain) == {0: 0, 99: 0, 100: 1, 10_099: 1, 10_100: 2}[number]
    assert all(stac_pages.rank(above)[0] == 0 for above in chain)
    if chain:
        validated(stac_pages.empty_page(page))
        assert stac_pages.document(collection)["links"][1]["href"] == f"../catalog.{number // 100}.json"


def test_the_extent_of_a_collection_is_around_its_items_also_across_180() -> None:
    nodes = [
        an_item(0),
        an_item(1, extent=Extent(NOON + 40 * DAY, NOON + 41 * DAY, FIJI)),
        an_item(2, extent=Extent(NOON, NOON, None)),
    ]
    collection = validated(stac_pages.document(*pages_above(nodes)[f"{FOLDER}/collection.json"]))
    assert collection["extent"]["spatial"]["bbox"] == [[178, -18, -179.5, -16]]
    assert collection["extent"]["temporal"]["interval"] == [["2026-11-22T12:00:00Z", "2027-01-02T12:00:00Z"]]


def test_a_collection_without_a_footprint_is_somewhere_in_the_world() -> None:
    nodes = [an_item(extent=Extent(NOON, NOON, None), project_name=None)]
    collection = validated(stac_pages.document(*pages_above(nodes)[f"{FOLDER}/collection.json"]))
    assert collection["extent"]["spatial"]["bbox"] == [[-180, -90, 180, 90]]
    assert collection["title"] == "main: no project"


def test_a_page_is_written_if_its_links_change_and_a_collection_also_for_its_extent() -> None:
    linked, later = replace(an_item(), state=NodeState.LINKED), Extent(NOON, NOON + timedelta(1), EAST)
    month, collection = linked.parent, f"{FOLDER}/collection.json"
    for path, is_written in ((month, False), (collection, True)):
        number = 0 if path == collection else None
        before = replace(stac_pages.merged(path, [linked], None, number), state=NodeState.LINKED)
        same = stac_pages.merged(path, [linked], before)
        assert (same, stac_pages.is_outdated(same, before, [linked])) == (before, False)
        grown = replace(linked, extent=later, state=NodeState.CHANGED)
        after = stac_pages.merged(path, [grown], before)
        assert (after.state, after.extent) == (NodeState.CHANGED, later)
        assert stac_pages.is_outdated(after, before, [grown]) == is_written
        more = [linked, an_item(1)]
        assert stac_pages.is_outdated(stac_pages.merged(path, more, before), before, more)


def test_a_page_whose_last_item_goes_is_gone_and_comes_back_as_a_new_one() -> None:
    linked = replace(an_item(), state=NodeState.LINKED)
    before = replace(stac_pages.merged(linked.parent, [linked], None), state=NodeState.LINKED)
    gone = stac_pages.merged(linked.parent, [replace(linked, state=NodeState.GONE)], before)
    assert (gone.state, gone.extent) == (NodeState.GONE, before.extent)
    assert stac_pages.merged(linked.parent, [an_item(1)], gone).state is NodeState.NEW
