"""Updates the STAC catalog of the delivery trees; rows say which scenes are not listed correctly."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from orderwatch.errors import DiskError, UnexpectedError
from orderwatch.ports import CatalogFiles, Store, Unlisted
from orderwatch.service.catalog_pass import CatalogPass
from orderwatch.service.error_boundary import contain_errors

log = structlog.get_logger()

_MAX_SCENES = 500  # written and marked together
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
        self._skipped_until: dict[tuple[str, Unlisted], float] = {}  # scenes with an unexpected error
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
            is_due = unlisted or await self._store.catalog.pages_to_write(key)
            if is_due and (reason := await _why_unusable(tree)):
                problems.append(reason)  # logged by the mount guard
                continue
            try:
                if is_due:
                    await self._update_tree(key, tree, unlisted)
            except (DiskError, UnexpectedError) as error:
                problems.append(str(error))
                self._on_failure(tree, error)
            else:
                self._on_success(tree.root)
        return problems

    async def _update_tree(self, key: str | None, tree: CatalogTree, unlisted: Sequence[Unlisted]) -> None:
        """Write all items, then the pages once; what was written stays so if the rest fails."""
        catalog, items = self._store.catalog, 0
        update = CatalogPass(catalog, tree.files, key, await catalog.begin(key))
        try:
            for start in range(0, len(unlisted), _MAX_SCENES):
                items += await self._list_isolated(update, tree, unlisted[start : start + _MAX_SCENES])
        except DiskError:
            await update.write_pages(is_complete=False)
            raise
        with contain_errors(root=tree.root):
            await update.write_pages()
        log.debug("catalogue.written", root=tree.root, items=items)

    async def _list_isolated(
        self, update: CatalogPass, tree: CatalogTree, unlisted: Sequence[Unlisted]
    ) -> int:
        """List all scenes except those that raise an unexpected error, which are skipped for a while."""
        try:
            with contain_errors(root=tree.root, scenes=len(unlisted)):
                items = await update.list_scenes(unlisted)
        except UnexpectedError as error:
            if len(unlisted) == 1:
                self._skip(tree, unlisted[0], error)
                return 0
            half = len(unlisted) // 2
            items = await self._list_isolated(update, tree, unlisted[:half])
            return items + await self._list_isolated(update, tree, unlisted[half:])
        for scene in unlisted:
            if self._skipped_until.pop((tree.root, scene), None) is not None:
                log.info("catalogue.item_restored", root=tree.root, **scene._asdict())
        return items

    def _is_skipped(self, tree: CatalogTree, scene: Unlisted) -> bool:
        until = self._skipped_until.get((tree.root, scene))
        return until is not None and self._steady() < until

    def _skip(self, tree: CatalogTree, scene: Unlisted, error: UnexpectedError) -> None:
        key = (tree.root, scene)
        if key not in self._skipped_until:
            log.warning("catalogue.item_failed", root=tree.root, **scene._asdict(), reason=str(error))
        self._skipped_until[key] = self._steady() + _RETRY_MAX_SECONDS

    def _on_failure(self, tree: CatalogTree, error: DiskError | UnexpectedError) -> None:
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
