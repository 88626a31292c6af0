"""Keeps the catalogue of what is stored: rows say which scenes are not listed as they are."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import structlog

from orderwatch.core import stac
from orderwatch.core.model import Order
from orderwatch.core.stac import Document, Entry
from orderwatch.errors import DiskError, UnexpectedError
from orderwatch.ports import CatalogFiles, CatalogRows, SceneRead, Unlisted
from orderwatch.service.error_boundary import contained

log = structlog.get_logger()

_AT_ONCE = 100  # orders, or items
_PART = 1_000  # scenes, after which what is done is done for good
_PAUSE, _LONGEST_PAUSE = 30.0, 900.0  # seconds, after a failure: each try writes all that is not listed


@dataclass(frozen=True, slots=True)
class CatalogTree:
    """One tree; `ready` raises `DiskError` where it cannot be used."""

    root: str
    files: CatalogFiles
    ready: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _Failure:
    """What keeps a tree's catalogue from being written; it is not tried again before `until`."""

    reason: str = ""
    pause: float = _PAUSE / 2
    until: float = 0.0


@dataclass(slots=True)
class _Written:
    """By the path of an item: what its collection has to know (None where no file is left), and its rows."""

    entries: dict[str, Entry | None] = field(default_factory=dict)
    scenes: dict[str, SceneRead] = field(default_factory=dict)


class CatalogUpdater:
    """`trees` by the names that rows have for them; those without a catalogue are left out."""

    def __init__(
        self,
        store: CatalogRows,
        trees: Mapping[str | None, CatalogTree],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._steady = steady
        self._failing: dict[str, _Failure] = {}  # by root, said
        self._aside: dict[tuple[str, str, int, str], float] = {}  # scenes, until when
        self._trees = trees

    def adjust(self, trees: Mapping[str | None, CatalogTree]) -> None:
        """From now on these, tried at once; trouble with a catalogue that nobody keeps any more is over."""
        for root in self._failing.keys() - {tree.root for tree in trees.values()}:
            self._restore(root)
        for failure in self._failing.values():
            failure.until = 0.0
        self._trees = trees

    async def round(self) -> list[str]:
        """List what is not listed as it is; returns what kept it from that."""
        problems = []
        for key, tree in self._trees.items():
            failure = self._failing.get(tree.root)
            if failure is not None and self._steady() < failure.until:
                problems.append(failure.reason)
                continue
            unlisted = [one for one in await self._store.unlisted(key) if not self._is_aside(tree, one)]
            if unlisted and (reason := await _not_ready(tree)):
                problems.append(reason)  # who uses the tree says so
                continue
            try:
                await self._bring_all(key, tree, unlisted)
            except DiskError as error:
                problems.append(str(error))
                self._fail(tree, error)
            else:
                self._restore(tree.root)
        return problems

    async def _bring_all(self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]) -> None:
        """Where nothing was listed, what is no item of now is taken away: a former project's, say."""
        anew = bool(unlisted) and not await self._store.collections(key)
        items: set[str] = set()
        for start in range(0, len(unlisted), _PART):
            items |= await self._bring_parted(key, tree, unlisted[start : start + _PART])
        if anew:
            await tree.files.remove(await tree.files.besides(items | set(map(stac.collection_of, items))))

    async def _bring_parted(
        self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]
    ) -> set[str]:
        """All of them but the scenes on which an error of our own falls: these are left out for a while."""
        try:
            with contained(root=tree.root, scenes=len(unlisted)):
                items = await self._bring(key, tree, unlisted)
        except UnexpectedError as error:
            if len(unlisted) == 1:
                self._put_aside(tree, unlisted[0], error)
                return set()
            half = len(unlisted) // 2
            items = await self._bring_parted(key, tree, unlisted[:half])
            return items | await self._bring_parted(key, tree, unlisted[half:])
        for one in unlisted:
            if self._aside.pop((tree.root, *_whose(one)), None) is not None:
                log.info("catalogue.item_restored", root=tree.root, **_named(one))
        return items

    def _is_aside(self, tree: CatalogTree, one: Unlisted) -> bool:
        until = self._aside.get((tree.root, *_whose(one)))
        return until is not None and self._steady() < until

    def _put_aside(self, tree: CatalogTree, one: Unlisted, error: UnexpectedError) -> None:
        key = (tree.root, *_whose(one))
        if key not in self._aside:
            log.warning("catalogue.item_failed", root=tree.root, **_named(one), reason=str(error))
        self._aside[key] = self._steady() + _LONGEST_PAUSE

    async def _bring(self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]) -> set[str]:
        """Items, then who links to them, then the marks: after a crash it is all done once more."""
        written = await self._write_items(key, tree, unlisted)
        gone = [path for path, entry in written.entries.items() if entry is None]
        gone += await self._write_collections(key, tree, written.entries)
        await tree.files.remove(gone)
        paths = list(written.scenes)
        for start in range(0, len(paths), _AT_ONCE):
            part = paths[start : start + _AT_ONCE]
            await self._store.list_in({path: written.scenes[path] for path in part})
        log.debug("catalogue.written", root=tree.root, items=len(paths) - len(gone))
        return {path for path, entry in written.entries.items() if entry is not None}

    async def _write_items(
        self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]
    ) -> _Written:
        written = _Written()
        async for some in self._orders(unlisted):
            documents: dict[str, Document] = {}
            for order, one in some:
                scene = [d for d in order.deliveries if (d.scene_id, d.root) == (one.scene_id, key)]
                files = [d for d in scene if d.stored_at is not None]
                path = one.item or stac.item_path(order, one.scene_id)
                written.scenes[path] = SceneRead(order.version, scene)
                written.entries[path] = stac.entry_of(order, files, path) if files else None
                if files:
                    documents[path] = stac.item(order, files, path)
            await tree.files.write(documents)
        return written

    async def _orders(self, unlisted: Sequence[Unlisted]) -> AsyncIterator[list[tuple[Order, Unlisted]]]:
        """Each scene with its order, some orders at once."""
        for account, rows in groupby(sorted(unlisted, key=_whose), key=lambda one: one.account):
            of_account = list(rows)
            ids = sorted({one.task_id for one in of_account})
            for start in range(0, len(ids), _AT_ONCE):
                some = set(ids[start : start + _AT_ONCE])
                orders = await self._store.orders_of(account, some)
                yield [(orders[one.task_id], one) for one in of_account if one.task_id in orders]

    async def _write_collections(
        self, key: str | None, tree: CatalogTree, changed: Mapping[str, Entry | None]
    ) -> list[str]:
        """Each that has a changed item, then the root of them all; returns those that have no item left."""
        by_collection: defaultdict[str, dict[str, Entry | None]] = defaultdict(dict)
        for path, entry in changed.items():
            by_collection[stac.collection_of(path)][path] = entry
        all_of_them = {f"{folder}/collection.json" for folder in await self._store.collections(key)}
        empty = []
        for path, here in by_collection.items():
            known = {e.path: e for e in await self._store.entries(key, path.rpartition("/")[0])}
            entries = _there({**known, **here}.values())
            if entries:
                document = await asyncio.to_thread(stac.collection, path, entries)  # of thousands
                await tree.files.write({path: document})
                all_of_them.add(path)
            else:
                empty.append(path)
                all_of_them.discard(path)
        await tree.files.write({stac.CATALOGUE: stac.catalog(all_of_them)})
        return empty

    def _fail(self, tree: CatalogTree, error: DiskError) -> None:
        if tree.root not in self._failing:
            log.error("catalogue.failing", root=tree.root, reason=str(error))
        failure = self._failing.setdefault(tree.root, _Failure())
        failure.reason, failure.pause = str(error), min(2 * failure.pause, _LONGEST_PAUSE)
        failure.until = self._steady() + failure.pause

    def _restore(self, root: str) -> None:
        if self._failing.pop(root, None) is not None:
            log.info("catalogue.restored", root=root)


async def _not_ready(tree: CatalogTree) -> str | None:
    try:
        await tree.ready()
    except DiskError as error:
        return str(error)
    return None


def _there(entries: Iterable[Entry | None]) -> list[Entry]:
    return [entry for entry in entries if entry is not None]


def _whose(one: Unlisted) -> tuple[str, int, str]:
    return one.account, one.task_id, one.scene_id


def _named(one: Unlisted) -> dict[str, object]:
    return {"account": one.account, "task_id": one.task_id, "scene_id": one.scene_id}
