"""A new database from what the trees tell of themselves."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from orderwatch.app.commands.progress import UNWATCHED, Progress
from orderwatch.app.commands.verify import within
from orderwatch.app.daemon.runtime import open_runtime
from orderwatch.app.factories import catalog_trees, held_database
from orderwatch.app.plan import roots_of
from orderwatch.config import Settings
from orderwatch.core.deliveries.audit import sidecar_of
from orderwatch.core.deliveries.rebuild import Found, Refused, restored, sort_out, taken_up
from orderwatch.core.deliveries.sidecar import parse
from orderwatch.db.lock import make_folder, sole_writer
from orderwatch.db.migrate import Schema, schema_of, upgrade
from orderwatch.db.reader import open_reader
from orderwatch.db.store import open_store
from orderwatch.errors import ConfigError, DatabaseError, DiskError, LockedError
from orderwatch.ops.log import Redactor
from orderwatch.service.catalog import CatalogUpdater
from orderwatch.transfer.tree.inspector import TreeInspector


@dataclass(slots=True)
class Rebuilt:
    """What the new database knows, `size` in bytes, and what of the trees was not taken up."""

    orders: int = 0
    captures: int = 0
    deliveries: int = 0
    size: int = 0
    refused: list[Refused] = field(default_factory=list)


@contextmanager
def held_for_rebuild(settings: Settings) -> Iterator[None]:
    """Hold database and trees, the database at this code's schema and without orders.

    `LockedError`, `DatabaseError`; `DiskError` where a tree is not there.
    """
    path = settings.database.path
    make_folder(path)
    with sole_writer(path), held_trees(settings):
        _prepare(path)
        yield


@contextmanager
def held_trees(settings: Settings) -> Iterator[None]:
    """Every tree of the configuration for this process alone; `LockedError`, `DiskError` as above."""
    with ExitStack() as stack:
        for root in roots_of(settings).values():
            if not TreeInspector(root).is_there():
                raise DiskError(f"no tree stands at {root}: is its disk mounted?")
            if (staging := root / ".orderwatch").is_dir():
                stack.enter_context(sole_writer(staging / "tree"))
        yield


async def rebuild(settings: Settings, now: datetime, progress: Progress = UNWATCHED) -> Rebuilt:
    """Write what the sidecars tell, in one transaction; nothing is read but sidecars and sizes."""
    path = settings.database.path
    async with open_reader(path) as reader:
        if await reader.knows_orders():
            raise DatabaseError(_told_to_move(path, "knows orders already"))
    taken, refused = await described(settings, progress)
    verdicts = restored(taken, now)
    async with open_store(path) as store:
        await store.restore(verdicts)
    return Rebuilt(
        orders=len(verdicts),
        captures=sum(len(verdict.order.captures) for verdict in verdicts),
        deliveries=len(taken),
        size=sum(one.size for one in taken),
        refused=refused,
    )


def _prepare(path: Path) -> None:
    try:
        schema = schema_of(path, thorough=True)
    except DatabaseError as error:
        raise DatabaseError(f"{error}, or move it away with its -wal and -shm to rebuild it") from error
    if schema is Schema.BEHIND:
        raise DatabaseError(_told_to_move(path, "is there already, of an older version"))
    if schema is Schema.NONE:
        upgrade(path)


def _told_to_move(path: Path, why: str) -> str:
    return f"{path} {why}: move it away with its -wal and -shm, then rebuild"


async def described(settings: Settings, progress: Progress = UNWATCHED) -> tuple[list[Found], list[Refused]]:
    """Every file that stands beside its sidecar, each once, and what else stands in the trees."""
    found, refused = await _walk(roots_of(settings), progress)
    taken, more = taken_up(found)
    return taken, sorted([*refused, *more], key=lambda one: (one.root or "", one.path))


async def _walk(roots: Mapping[str | None, Path], progress: Progress) -> tuple[list[Found], list[Refused]]:
    found: list[Found] = []
    refused: list[Refused] = []
    files = size = 0  # of the sidecars
    for key, root in roots.items():
        tree = TreeInspector(root)
        walked = await tree.walk(within(key, roots))
        refused += [Refused(root=key, path=path, detail=why) for path, why in walked.troubles.items()]
        described, rest = sort_out(walked.files)
        refused += [Refused(root=key, path=path, detail=_why_not(path)) for path in rest]
        files, size = files + len(described), size + sum(walked.files[sidecar_of(path)] for path in described)
        progress.begin(files, size)
        for path in described:
            content, trouble = await tree.sidecar(sidecar_of(path))
            progress.read(walked.files[sidecar_of(path)])
            progress.file()
            try:
                told = parse(content or b"")
            except ValueError as error:
                why = trouble or str(error)
                refused.append(Refused(root=key, path=sidecar_of(path), detail=f"no sidecar of ours: {why}"))
            else:
                found.append(Found(root=key, path=path, size=walked.files[path], described=told))
    return found, refused


def _why_not(path: str) -> str:
    return "a sidecar without its file" if path.endswith(".json") else "a file without a sidecar"


async def rebuild_catalog(settings: Settings, redactor: Redactor) -> list[str] | None:
    """What kept it from being done, nothing where all is well; None where a daemon does it instead.

    `ConfigError` where no catalogue is wanted.
    """
    if not settings.delivery.stac:
        raise ConfigError(["no catalogue is kept: set stac = true in [delivery]"])
    with ExitStack() as stack:
        try:
            stack.enter_context(held_database(settings))
        except LockedError:
            await _unlist(settings)
            return None
        await _unlist(settings)
        async with open_runtime(settings, redactor) as app:
            return await CatalogUpdater(app.store, catalog_trees(settings, app.trees)).round()


async def _unlist(settings: Settings) -> None:
    async with open_store(settings.database.path) as store:
        await store.unlist()
