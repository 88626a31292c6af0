"""Updates the STAC catalog of the delivery trees; rows say which scenes are not listed correctly."""

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
from orderwatch.ports import CatalogFiles, SceneRead, Store, Unlisted
from orderwatch.service.error_boundary import contain_errors

log = structlog.get_logger()

_BATCH_SIZE = 100  # orders or items
_MAX_SCENES_PER_PASS = 1_000  # finished and marked before the next ones
_RETRY_MIN_SECONDS, _RETRY_MAX_SECONDS = 30.0, 900.0


@dataclass(frozen=True, slots=True)
class CatalogTree:
    """One tree; `ready` raises `DiskError` if it cannot be used."""

    root: str
    files: CatalogFiles
    ready: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _Failure:
    """Why a tree's catalog cannot be written; the next attempt is not before `until`."""

    reason: str = ""
    pause: float = _RETRY_MIN_SECONDS / 2
    until: float = 0.0


@dataclass(slots=True)
class _Written:
    """By item path: the entry for its collection (None if no file is left), and its rows."""

    entries: dict[str, Entry | None] = field(default_factory=dict)
    scenes: dict[str, SceneRead] = field(default_factory=dict)


class CatalogUpdater:
    """Updates the catalogs of `trees`, by their names in the rows; only trees with a catalog."""

    def __init__(
        self,
        store: Store,
        trees: Mapping[str | None, CatalogTree],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._steady = steady
        self._failing: dict[str, _Failure] = {}  # logged, by root
        self._skipped_until: dict[tuple[str, str, str, str], float] = {}  # scenes with an unexpected error
        self._trees = trees

    def replace_trees(self, trees: Mapping[str | None, CatalogTree]) -> None:
        """Use these trees from now on, and retry at once; failures of removed trees end."""
        for root in self._failing.keys() - {tree.root for tree in trees.values()}:
            self._on_success(root)
        for failure in self._failing.values():
            failure.until = 0.0
        self._trees = trees

    async def update(self) -> list[str]:
        """Update every catalog; returns the problems."""
        problems = []
        for key, tree in self._trees.items():
            failure = self._failing.get(tree.root)
            if failure is not None and self._steady() < failure.until:
                problems.append(failure.reason)
                continue
            unlisted = [
                scene
                for scene in await self._store.catalog.unlisted(key)
                if not self._is_skipped(tree, scene)
            ]
            if unlisted and (reason := await _why_unusable(tree)):
                problems.append(reason)  # logged by the mount guard
                continue
            try:
                await self._update_tree(key, tree, unlisted)
            except DiskError as error:
                problems.append(str(error))
                self._on_failure(tree, error)
            else:
                self._on_success(tree.root)
        return problems

    async def _update_tree(self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]) -> None:
        """Update one tree; the first time, remove catalog files that belong to no current item."""
        is_first = bool(unlisted) and not await self._store.catalog.collections(key)
        items: set[str] = set()
        for start in range(0, len(unlisted), _MAX_SCENES_PER_PASS):
            items |= await self._update_isolated(key, tree, unlisted[start : start + _MAX_SCENES_PER_PASS])
        if is_first:
            await tree.files.remove(await tree.files.other_files(items | set(map(stac.collection_of, items))))

    async def _update_isolated(
        self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]
    ) -> set[str]:
        """Update all scenes except those that raise an unexpected error, which are skipped for a while."""
        try:
            with contain_errors(root=tree.root, scenes=len(unlisted)):
                items = await self._update_scenes(key, tree, unlisted)
        except UnexpectedError as error:
            if len(unlisted) == 1:
                self._skip(tree, unlisted[0], error)
                return set()
            half = len(unlisted) // 2
            items = await self._update_isolated(key, tree, unlisted[:half])
            return items | await self._update_isolated(key, tree, unlisted[half:])
        for scene in unlisted:
            if self._skipped_until.pop((tree.root, *_scene_key(scene)), None) is not None:
                log.info("catalogue.item_restored", root=tree.root, **_log_fields(scene))
        return items

    def _is_skipped(self, tree: CatalogTree, scene: Unlisted) -> bool:
        until = self._skipped_until.get((tree.root, *_scene_key(scene)))
        return until is not None and self._steady() < until

    def _skip(self, tree: CatalogTree, scene: Unlisted, error: UnexpectedError) -> None:
        key = (tree.root, *_scene_key(scene))
        if key not in self._skipped_until:
            log.warning("catalogue.item_failed", root=tree.root, **_log_fields(scene), reason=str(error))
        self._skipped_until[key] = self._steady() + _RETRY_MAX_SECONDS

    async def _update_scenes(
        self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]
    ) -> set[str]:
        """Write items, then what links to them, then the marks, so that a crash only repeats the work."""
        written = await self._write_items(key, tree, unlisted)
        removed = [path for path, entry in written.entries.items() if entry is None]
        removed += await self._write_collections(key, tree, written.entries)
        await tree.files.remove(removed)
        paths = list(written.scenes)
        for start in range(0, len(paths), _BATCH_SIZE):
            part = paths[start : start + _BATCH_SIZE]
            await self._store.catalog.mark_listed({path: written.scenes[path] for path in part})
        log.debug("catalogue.written", root=tree.root, items=len(paths) - len(removed))
        return {path for path, entry in written.entries.items() if entry is not None}

    async def _write_items(
        self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]
    ) -> _Written:
        written = _Written()
        async for batch in self._orders(unlisted):
            documents: dict[str, Document] = {}
            for order, row in batch:
                scene = [d for d in order.deliveries if (d.scene_id, d.root) == (row.scene_id, key)]
                files = [d for d in scene if d.stored_at is not None]
                path = row.item or stac.item_path(order, row.scene_id)
                written.scenes[path] = SceneRead(order.version, scene)
                written.entries[path] = stac.entry_of(order, files, path) if files else None
                if files:
                    documents[path] = stac.item(order, files, path)
            await tree.files.write(documents)
        return written

    async def _orders(self, unlisted: Sequence[Unlisted]) -> AsyncIterator[list[tuple[Order, Unlisted]]]:
        """Yield scenes with their orders, in batches of orders."""
        for account, rows in groupby(sorted(unlisted, key=_scene_key), key=lambda scene: scene.account):
            of_account = list(rows)
            ids = sorted({scene.order_id for scene in of_account})
            for start in range(0, len(ids), _BATCH_SIZE):
                batch = set(ids[start : start + _BATCH_SIZE])
                orders = await self._store.orders.get_many(account, batch)
                yield [(orders[scene.order_id], scene) for scene in of_account if scene.order_id in orders]

    async def _write_collections(
        self, key: str | None, tree: CatalogTree, changed: Mapping[str, Entry | None]
    ) -> list[str]:
        """Write each changed collection, then the root catalog; returns the empty collections."""
        by_collection: defaultdict[str, dict[str, Entry | None]] = defaultdict(dict)
        for path, entry in changed.items():
            by_collection[stac.collection_of(path)][path] = entry
        collections = {f"{folder}/collection.json" for folder in await self._store.catalog.collections(key)}
        empty = []
        for path, updated in by_collection.items():
            known = {e.path: e for e in await self._store.catalog.entries(key, path.rpartition("/")[0])}
            entries = _existing({**known, **updated}.values())
            if entries:
                document = await asyncio.to_thread(
                    stac.collection, path, entries
                )  # slow with thousands of entries
                await tree.files.write({path: document})
                collections.add(path)
            else:
                empty.append(path)
                collections.discard(path)
        await tree.files.write({stac.CATALOGUE: stac.catalog(collections)})
        return empty

    def _on_failure(self, tree: CatalogTree, error: DiskError) -> None:
        if tree.root not in self._failing:
            log.error("catalogue.failing", root=tree.root, reason=str(error))
        failure = self._failing.setdefault(tree.root, _Failure())
        failure.reason, failure.pause = str(error), min(2 * failure.pause, _RETRY_MAX_SECONDS)
        failure.until = self._steady() + failure.pause

    def _on_success(self, root: str) -> None:
        if self._failing.pop(root, None) is not None:
            log.info("catalogue.restored", root=root)


async def _why_unusable(tree: CatalogTree) -> str | None:
    try:
        await tree.ready()
    except DiskError as error:
        return str(error)
    return None


def _existing(entries: Iterable[Entry | None]) -> list[Entry]:
    return [entry for entry in entries if entry is not None]


def _scene_key(scene: Unlisted) -> tuple[str, str, str]:
    return scene.account, scene.order_id, scene.scene_id


def _log_fields(scene: Unlisted) -> dict[str, object]:
    return {
        "account": scene.account,
        "order_id": scene.order_id,
        "task_id": scene.task_id,
        "scene_id": scene.scene_id,
    }
