"""Recreates the database from the sidecars in the delivery trees."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.app.commands.progress import UNWATCHED, Progress
from orderwatch.app.daemon.runtime import open_runtime
from orderwatch.app.factories import catalog_trees
from orderwatch.app.held_database import held_database
from orderwatch.app.plan import Plan
from orderwatch.app.trees.opening import inner_trees, open_trees
from orderwatch.app.trees.tree import Tree
from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.core.deliveries.audit import sidecar_of
from orderwatch.core.deliveries.delivery_root import BucketRoot, DeliveryRoot
from orderwatch.core.deliveries.rebuild import Found, Refused, restored, sort_out, taken_up
from orderwatch.core.deliveries.sidecar import parse
from orderwatch.db.daemon_status import read_daemon_status
from orderwatch.db.lock import database_lock, exclusive_lock
from orderwatch.db.migrate import Schema, schema_of, upgrade
from orderwatch.db.repositories import open_reader, open_store
from orderwatch.errors import ConfigError, DatabaseError, DiskError, LockedError
from orderwatch.ops.log import Redactor
from orderwatch.service.catalog import CatalogUpdater
from orderwatch.transfer.tree.inspector import TreeInspector


@dataclass(slots=True)
class Rebuilt:
    """Contents of the new database, `size` in bytes, and the files that were refused."""

    orders: int = 0
    captures: int = 0
    deliveries: int = 0
    size: int = 0
    refused: list[Refused] = field(default_factory=list)


@contextmanager
def held_for_rebuild(plan: Plan) -> Iterator[None]:
    """Lock database and trees, and prepare an empty database at this code's schema.

    Raises `LockedError`, `DatabaseError`, or `DiskError` if a tree is missing.
    """
    location = plan.database.location
    _demand_no_host(location)
    with database_lock(location), held_trees(plan):
        _prepare(location)
        yield


@contextmanager
def held_trees(plan: Plan) -> Iterator[None]:
    """Lock every configured tree for this process. Raises `LockedError`, or `DiskError` without a folder."""
    with ExitStack() as stack:
        for root in plan.roots.values():
            if not isinstance(root, BucketRoot) and not TreeInspector(root).is_there():
                raise _missing(root)
            if (staging := plan.folder(root) / ".orderwatch").is_dir():
                stack.enter_context(exclusive_lock(staging / "tree"))
        yield


async def require_trees(plan: Plan) -> None:
    """Raise `DiskError` if a tree is missing, also one in a bucket."""
    async with open_trees(plan, plan.roots) as trees:
        for tree in trees.values():
            if await tree.inspector().absence():
                raise _missing(tree.root)


def _missing(root: DeliveryRoot) -> DiskError:
    remedy = "are bucket and prefix right?" if isinstance(root, BucketRoot) else "is its disk mounted?"
    return DiskError(f"there is no delivery tree at {root}: {remedy}")


async def rebuild(plan: Plan, now: datetime, progress: Progress = UNWATCHED) -> Rebuilt:
    """Write the contents of the sidecars in one transaction; reads only sidecars and file sizes."""
    await require_trees(plan)
    location = plan.database.location
    async with open_reader(location) as reader:
        if await reader.orders.has_any():
            raise DatabaseError(_replace(location, "already contains orders"))
    taken, refused = await described(plan, progress)
    verdicts = restored(taken, now)
    async with open_store(location) as store:
        await store.maintenance.restore(verdicts)
    return Rebuilt(
        orders=len(verdicts),
        captures=sum(len(verdict.order.captures) for verdict in verdicts),
        deliveries=len(taken),
        size=sum(one.size for one in taken),
        refused=refused,
    )


def _demand_no_host(location: DatabaseLocation) -> None:
    """Raise `LockedError` if a daemon of any host runs on this server."""
    if not isinstance(location, PostgresServer) or schema_of(location) is not Schema.CURRENT:
        return
    if read_daemon_status(location).running:
        raise LockedError(f"a daemon runs on {location}; stop it first")


def _prepare(location: DatabaseLocation) -> None:
    try:
        schema = schema_of(location, thorough=True)
    except DatabaseError as error:
        if isinstance(location, PostgresServer):
            raise
        raise DatabaseError(f"{error}, or move it away with its -wal and -shm to rebuild it") from error
    if schema is Schema.BEHIND:
        raise DatabaseError(_replace(location, "exists already, from an older version"))
    if schema is Schema.NONE:
        upgrade(location)


def _replace(location: DatabaseLocation, why: str) -> str:
    if isinstance(location, PostgresServer):
        return f"{location} {why}: create an empty database and name it in [database], then rebuild"
    return f"{location} {why}: move it away with its -wal and -shm, then rebuild"


async def described(plan: Plan, progress: Progress = UNWATCHED) -> tuple[list[Found], list[Refused]]:
    """Return every file with its sidecar once, and the refused rest of the trees."""
    async with open_trees(plan, plan.roots) as trees:
        found, refused = await _walk(trees, plan.roots, progress)
    taken, more = taken_up(found)
    return taken, sorted([*refused, *more], key=lambda one: (one.root or "", one.path))


async def _walk(
    trees: Mapping[str | None, Tree], roots: Mapping[str | None, DeliveryRoot], progress: Progress
) -> tuple[list[Found], list[Refused]]:
    found: list[Found] = []
    refused: list[Refused] = []
    files = size = 0  # of the sidecars
    for key, root in roots.items():
        tree = trees[key].inspector()
        walked = await tree.walk(inner_trees(root, roots))
        refused += [Refused(root=key, path=path, detail=why) for path, why in walked.errors.items()]
        described, rest = sort_out(walked.files)
        refused += [Refused(root=key, path=path, detail=_why_not(path)) for path in rest]
        files, size = files + len(described), size + sum(walked.files[sidecar_of(path)] for path in described)
        progress.begin(files, size)
        for path in described:
            content, trouble = await tree.read_sidecar(sidecar_of(path))
            progress.read(walked.files[sidecar_of(path)])
            progress.file()
            try:
                parsed = parse(content or b"")
            except ValueError as error:
                detail = f"not a sidecar of orderwatch: {trouble or error}"
                refused.append(Refused(root=key, path=sidecar_of(path), detail=detail))
            else:
                found.append(Found(root=key, path=path, size=walked.files[path], described=parsed))
    return found, refused


def _why_not(path: str) -> str:
    return "a sidecar without its file" if path.endswith(".json") else "a file without a sidecar"


async def rebuild_catalog(plan: Plan, redactor: Redactor) -> list[str] | None:
    """Write the catalog again and return the problems; None if a running daemon does it instead.

    Raises `ConfigError` if `stac` is disabled.
    """
    if not plan.keeps_catalog:
        raise ConfigError(["the STAC catalog is disabled: set stac = true in [delivery]"])
    with ExitStack() as stack:
        try:
            stack.enter_context(held_database(plan.database))
        except LockedError:
            await _unlist(plan)
            return None
        await _unlist(plan)
        async with open_runtime(plan, redactor) as runtime:
            return await CatalogUpdater(runtime.store, catalog_trees(plan, runtime.trees)).update()


async def _unlist(plan: Plan) -> None:
    async with open_store(plan.database.location) as store:
        await store.catalog.unlist_all()
