"""Arranges the items of the STAC catalog in documents of bounded size, which link to each other as a tree.

The root has collections, a collection has years, a year has months, a month has items. The collections of the
root and the items of a month are numbered, and each page lists 100 of them: the root or the month itself is
page 0, page k is the parent of the pages 100 k + 1 to 100 k + 100. No page is ever split or moved.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath

from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.geo.bbox import WORLD, around
from orderwatch.core.stac import CATALOGUE, MARK, STAC_VERSION, Document, Extent, link

_PAGE_SIZE = 100  # items or collections
_MAX_CHILD_PAGES = 100
_MORE_COLLECTIONS = "stac/catalog"
_NUMBERED_PAGE = re.compile(r"(.+)\.(\d+)\.json")
_COLLECTION = "collection.json"
_YEAR_DIGITS = 4


class NodeState(StrEnum):
    """Whether the document of the parent matches a node."""

    NEW = "new"  # no link leads to it yet
    CHANGED = "changed"  # its extent did
    GONE = "gone"  # to be removed, once no link leads to it
    LINKED = "linked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An item, a page or a collection, with the facts that the pages above it need.

    `head` is page 0 of the numbered ones. The root has no extent, and is its own parent.
    """

    path: str
    parent: str
    head: str | None = None
    number: int | None = None
    account: str | None = None
    project_name: str | None = None
    extent: Extent | None = None
    state: NodeState = NodeState.NEW


def month_of(item_path: str, extent: Extent) -> str:
    """Returns the path of the month in which an item is listed."""
    return f"{item_path.rpartition('/')[0].rpartition('/')[0]}/{zulu(extent.first)[:7]}.json"


def page_of(head: str, number: int) -> str:
    """Returns the page that lists this one of the numbered nodes."""
    return _page(head, number // _PAGE_SIZE)


def is_collection(path: str) -> bool:
    return path.endswith(f"/{_COLLECTION}")


def lineage(path: str) -> list[str]:
    """Returns a page and the pages above it, up to the collection or the root, which are not included."""
    found = []
    while path != CATALOGUE and not is_collection(path):
        found.append(path)
        path = _parent_of(path)
    return found


def rank(path: str) -> tuple[int, int]:
    """Returns how deep in the tree a page is, as a value that is greater for a deeper one."""
    head, number = _parsed(path)
    depth = 0
    while number:
        number = _page_above(number)
        depth += 1
    if head == CATALOGUE:
        return 0, depth
    return (1 if is_collection(head) else len(PurePosixPath(head).stem)), depth  # YYYY, or YYYY-MM


def merged(path: str, children: Sequence[Node], before: Node | None, number: int | None = None) -> Node:
    """Returns the node of a page by its children; a new collection has this number."""
    if path == CATALOGUE:
        return before or Node(path=path, parent=path)
    live = live_of(children)
    some = before or min(children, key=lambda child: child.path)
    number = before.number if before else number
    node = Node(
        path=path,
        parent=_parent_of(path) if number is None else page_of(CATALOGUE, number),
        head=None if number is None else CATALOGUE,
        number=number,
        account=some.account,
        project_name=some.project_name,
        extent=_around([child.extent for child in live if child.extent]) if live else some.extent,
    )
    return replace(node, state=NodeState.GONE if not live else state_after(before, node))


def state_after(before: Node | None, node: Node) -> NodeState:
    """Returns the state of a node that exists, by the one that was recorded before."""
    if before is None or before.state in {NodeState.NEW, NodeState.GONE}:
        return NodeState.NEW
    return before.state if before.extent == node.extent else NodeState.CHANGED


def live_of(children: Iterable[Node]) -> list[Node]:
    """Returns the children that a page lists, by path; the root is no child of its own."""
    live = (c for c in children if c.state is not NodeState.GONE and c.path != c.parent)
    return sorted(live, key=lambda child: child.path)


def is_outdated(node: Node, before: Node | None, children: Iterable[Node]) -> bool:
    """Returns whether the document of a page has to be written, by its children and its former node."""
    shows_extent = is_collection(node.path)
    has_other_links = any(child.state in {NodeState.NEW, NodeState.GONE} for child in children)
    return has_other_links or (shows_extent and (before is None or before.extent != node.extent))


def document(node: Node, children: Iterable[Node] = ()) -> Document:
    """Returns the document of a page, with links to its children."""
    links = [link("root", node.path, CATALOGUE)]
    if node.path != node.parent:
        links.append(link("parent", node.path, node.parent))
    return {
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        MARK: 1,
        **(_collection(node, node.extent) if is_collection(node.path) and node.extent else _catalog(node)),
        "links": links + [_child(node.path, child) for child in live_of(children)],
    }


def empty_page(path: str) -> Document:
    """Returns a page without children, for items and pages that name it as their parent."""
    return document(Node(path=path, parent=_parent_of(path)))


def _collection(node: Node, extent: Extent) -> Document:
    title = node.project_name or f"{node.account}: no project"
    return {
        "type": "Collection",
        "id": PurePosixPath(node.path).parts[1],
        "title": title,
        "description": f"The deliveries of account {node.account} for {title}.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [list(extent.bbox or WORLD)]},
            "temporal": {"interval": [[zulu(extent.first), zulu(extent.last)]]},
        },
    }


def _catalog(node: Node) -> Document:
    """Returns the facts of the root, a year, a month, or a further page."""
    head, number = _parsed(node.path)
    if head == CATALOGUE:
        name, title = "orderwatch", "Deliveries"
        description = "The files that orderwatch stored, one collection for each account and project."
    else:
        title = PurePosixPath(head).stem
        name = f"{PurePosixPath(head).parent.name}-{title}"
        description = f"Captured in {title} (UTC)."
    further = f", page {number + 1}" if number else ""
    return {
        "type": "Catalog",
        "id": f"{name}.{number}" if number else name,
        "title": f"{title}{further}",
        "description": description,
    }


def _child(page: str, child: Node) -> Document:
    if child.head is not None and child.head != CATALOGUE:
        return {**link("item", page, child.path), "type": "application/geo+json"}
    return link("child", page, child.path)


def _around(extents: Sequence[Extent]) -> Extent:
    boxes = [extent.bbox for extent in extents if extent.bbox]
    return Extent(
        min(extent.first for extent in extents),
        max(extent.last for extent in extents),
        around(boxes) if boxes else None,
    )


def _parent_of(page: str) -> str:
    """Returns the parent of a page that is no collection."""
    head, number = _parsed(page)
    if number:
        return _page(head, _page_above(number))
    if page == CATALOGUE:
        return page
    folder, _, name = page.rpartition("/")
    is_year = len(PurePosixPath(name).stem) == _YEAR_DIGITS
    return f"{folder}/{_COLLECTION}" if is_year else f"{folder}/{name[:_YEAR_DIGITS]}.json"


def _page(head: str, number: int) -> str:
    if not number:
        return head
    stem = _MORE_COLLECTIONS if head == CATALOGUE else head.removesuffix(".json")
    return f"{stem}.{number}.json"


def _page_above(number: int) -> int:
    return (number - 1) // _MAX_CHILD_PAGES


def _parsed(page: str) -> tuple[str, int]:
    """Returns page 0 and the number of a page."""
    found = _NUMBERED_PAGE.fullmatch(page)
    if found is None:
        return page, 0
    head = CATALOGUE if found[1] == _MORE_COLLECTIONS else f"{found[1]}.json"
    return head, int(found[2])
