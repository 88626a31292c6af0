"""Everything that is stored, read again and compared with its row. Changes nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orderwatch.app.commands.progress import Progress
from orderwatch.app.plan import roots_of
from orderwatch.config import Settings
from orderwatch.core.deliveries.audit import Finding, Flaw, judge_file, judge_sidecar, orphans, sidecar_of
from orderwatch.core.model import SETTLED, Delivery, DeliveryState
from orderwatch.db.reader import Reader, open_reader
from orderwatch.transfer.tree.inspector import TreeInspector, Walked

Trees = Mapping[str | None, TreeInspector]

_AWAY = "no tree stands there: is its disk mounted? (a start of the daemon makes one of an empty folder)"


@dataclass(slots=True)
class VerifyReport:
    """How much was read, and what is not as it should be."""

    checked: int = 0
    size: int = 0
    findings: list[Finding] = field(default_factory=list)


async def verify(settings: Settings, progress: Progress) -> VerifyReport:
    """Read every stored file again, in every tree, then look for files that no row knows."""
    async with open_reader(settings.database.path) as reader:
        kept = [d for d in await reader.deliveries(*SETTLED) if d.path is not None]
        roots = all_roots(settings, kept)
        trees = {key: TreeInspector(root) for key, root in roots.items()}
        there = {key: tree for key, tree in trees.items() if tree.is_there()}
        audit = await _read_all(reader, there, [d for d in kept if d.root in there], progress)
        gone = dict.fromkeys(d.root for d in kept if d.root not in there)
        audit.findings += [Finding(kind=Flaw.UNREADABLE, root=key, path=".", detail=_AWAY) for key in gone]
        for key in there.keys() & roots_of(settings).keys():
            walked = await there[key].walk(within(key, roots))
            audit.findings += await _strangers(reader, key, walked)
    return audit


async def _read_all(
    reader: Reader, trees: Trees, deliveries: Sequence[Delivery], progress: Progress
) -> VerifyReport:
    audit = VerifyReport()

    def heard(size: int) -> None:
        audit.size += size
        progress.read(size)

    progress.begin(len(deliveries), sum(d.size or 0 for d in deliveries))
    for delivery in deliveries:
        if found := await judge(reader, trees, delivery, heard):
            audit.findings.append(found)
        audit.checked += 1
        progress.file()
    return audit


async def judge(
    reader: Reader, trees: Trees, delivery: Delivery, heard: Callable[[int], None]
) -> Finding | None:
    """What is wrong with a stored delivery. What a daemon moved meanwhile is judged as it then is."""
    while found := await _compare(trees[delivery.root], delivery, heard):
        now = await as_it_is(reader, delivery)
        if now is None or not now.state.settled or now.path is None or now.root not in trees:
            return None
        if is_same_file(now, delivery):
            return found
        delivery = now
    return None


async def _compare(tree: TreeInspector, delivery: Delivery, heard: Callable[[int], None]) -> Finding | None:
    path = delivery.path or ""
    if found := judge_file(delivery, await tree.read(path, delivery.size, heard)):
        return found
    return judge_sidecar(delivery, *await tree.sidecar(sidecar_of(path)))


async def as_it_is(reader: Reader, delivery: Delivery) -> Delivery | None:
    """The row as it is now."""
    order = await reader.order(delivery.account, delivery.task_id)
    return next((d for d in order.deliveries if d.key == delivery.key), None) if order else None


def is_same_file(one: Delivery, other: Delivery) -> bool:
    """As far as the rows tell: nothing was stored anew between the two."""
    return (one.root, one.path, one.sha256, one.stored_at) == (
        other.root,
        other.path,
        other.sha256,
        other.stored_at,
    )


def all_roots(settings: Settings, deliveries: Iterable[Delivery]) -> dict[str | None, Path]:
    """The trees of the configuration, and those that rows were begun in before."""
    left: dict[str | None, Path] = {d.root: Path(d.root) for d in deliveries if d.root is not None}
    return left | roots_of(settings)


def within(key: str | None, roots: Mapping[str | None, Path]) -> list[Path]:
    """The other trees that lie within this one, as they are named by way of it."""
    root = roots[key]
    real = root.resolve()
    others = {path.resolve() for path in roots.values()} - {real}
    return [root / path.relative_to(real) for path in others if path.is_relative_to(real)]


async def _strangers(reader: Reader, root: str | None, walked: Walked) -> list[Finding]:
    """The rows are read after the walk: what was being published then had its name reserved before."""
    rows = await reader.deliveries(*DeliveryState)
    known = {d.path for d in rows if d.path is not None and d.root == root}
    found = [
        Finding(kind=Flaw.UNREADABLE, root=root, path=path, detail=why)
        for path, why in sorted(walked.troubles.items())
    ]
    found += [
        Finding(kind=Flaw.ORPHAN, root=root, path=path, detail="no delivery is known by this name")
        for path in orphans(sorted(walked.files), known)
    ]
    return found
