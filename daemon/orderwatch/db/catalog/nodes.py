"""The nodes of the catalogs as rows, within a transaction. A root of None is stored as empty."""

from collections.abc import Collection, Iterator
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, select, update

from orderwatch.core.stac import CATALOGUE, Extent
from orderwatch.core.stac_pages import Node, NodeState
from orderwatch.db.engines.upserts import upsert
from orderwatch.db.mappers import Row
from orderwatch.db.tables import UNLINKED, catalog_nodes
from orderwatch.ports import Generation

T = TypeVar("T")

_MAX_VALUES = 1_000  # of one statement
_KEY = ("root", "path")
_SAME = ("path", "parent", "head", "number", "account", "project_name")
_SIDES = ("west", "south", "east", "north")


def begin(db: Connection, root: str | None) -> Generation:
    query = select(catalog_nodes.c.generation, catalog_nodes.c.state).where(
        _of(root), catalog_nodes.c.path == CATALOGUE
    )
    row = db.execute(query).one_or_none()
    if row is None:
        save(db, root, [Node(path=CATALOGUE, parent=CATALOGUE)])
        row = db.execute(query).one()
    return Generation(row.generation, is_first=row.state != NodeState.LINKED)


def is_current(db: Connection, root: str | None, generation: Generation) -> bool:
    query = select(catalog_nodes.c.generation).where(_of(root), catalog_nodes.c.path == CATALOGUE)
    return db.scalar(query) == generation.number


def by_path(db: Connection, root: str | None, paths: Collection[str]) -> list[Node]:
    return _load(db, root, catalog_nodes.c.path, paths)


def by_parent(db: Connection, root: str | None, pages: Collection[str]) -> list[Node]:
    return _load(db, root, catalog_nodes.c.parent, pages)


def next_number(db: Connection, root: str | None, head: str) -> int:
    highest = db.scalar(
        select(func.max(catalog_nodes.c.number)).where(_of(root), catalog_nodes.c.head == head)
    )
    return 0 if highest is None else highest + 1


def unlinked_parents(db: Connection, root: str | None) -> list[str]:
    return list(db.scalars(select(catalog_nodes.c.parent).where(_of(root), UNLINKED).distinct()))


def paths(db: Connection, root: str | None) -> list[str]:
    return list(db.scalars(select(catalog_nodes.c.path).where(_of(root))))


def save(db: Connection, root: str | None, nodes: Collection[Node]) -> None:
    rows = [_row(root, node) for node in nodes]
    if rows:
        statement = upsert(catalog_nodes)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in _KEY}
        db.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=changed), rows)


def link_children(db: Connection, root: str | None, pages: Collection[str]) -> None:
    """Mark the children of the pages as linked, and remove those that are gone."""
    of_pages = and_(_of(root), catalog_nodes.c.parent.in_(pages), UNLINKED)
    db.execute(delete(catalog_nodes).where(of_pages, catalog_nodes.c.state == NodeState.GONE))
    db.execute(update(catalog_nodes).where(of_pages).values(state=NodeState.LINKED))


def remove_all(db: Connection) -> None:
    db.execute(delete(catalog_nodes).where(catalog_nodes.c.path != CATALOGUE))
    following = catalog_nodes.c.generation + 1
    db.execute(update(catalog_nodes).values(state=NodeState.NEW, generation=following))


def parts(values: Collection[T]) -> Iterator[list[T]]:
    """Yield the values in parts that fit into one statement."""
    ordered = list(values)
    for start in range(0, len(ordered), _MAX_VALUES):
        yield ordered[start : start + _MAX_VALUES]


def _load(
    db: Connection, root: str | None, column: ColumnElement[str], values: Collection[str]
) -> list[Node]:
    query = select(catalog_nodes).where(_of(root))
    return [
        _node(row) for part in parts(values) for row in db.execute(query.where(column.in_(part))).mappings()
    ]


def _of(root: str | None) -> ColumnElement[bool]:
    return catalog_nodes.c.root == (root or "")


def _row(root: str | None, node: Node) -> Row:
    extent = node.extent
    sides = extent.bbox if extent and extent.bbox else (None,) * len(_SIDES)
    return {
        "root": root or "",
        **{name: getattr(node, name) for name in _SAME},
        "first": extent and extent.first,
        "last": extent and extent.last,
        **dict(zip(_SIDES, sides, strict=True)),
        "state": node.state,
    }


def _node(row: RowMapping) -> Node:
    has_box = row["west"] is not None
    bbox = (row["west"], row["south"], row["east"], row["north"]) if has_box else None
    return Node(
        **{name: row[name] for name in _SAME},
        extent=Extent(row["first"], row["last"], bbox) if row["first"] else None,
        state=NodeState(row["state"]),
    )
