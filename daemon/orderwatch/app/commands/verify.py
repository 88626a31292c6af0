"""Reads every stored file again and compares it with its row. Changes nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orderwatch.app.commands.progress import Progress
from orderwatch.app.plan import Plan
from orderwatch.core.deliveries.audit import Finding, Flaw, judge_file, judge_sidecar, orphans, sidecar_of
from orderwatch.core.model import SETTLED, Delivery, DeliveryState
from orderwatch.db.repositories import Store, open_reader
from orderwatch.transfer.tree.inspector import TreeInspector, WalkResult

Trees = Mapping[str | None, TreeInspector]

_NOT_MOUNTED = "no delivery tree exists here: is its disk mounted? (the daemon creates one when it starts)"


@dataclass(slots=True)
class VerifyReport:
    """Number and size of the files read, and what is wrong."""

    checked: int = 0
    size: int = 0
    findings: list[Finding] = field(default_factory=list)


async def verify(plan: Plan, progress: Progress) -> VerifyReport:
    """Read every stored file in every tree, then find files that no row knows."""
    async with open_reader(plan.database.location) as reader:
        kept = [d for d in await reader.deliveries.in_states(*SETTLED) if d.path is not None]
        roots = all_roots(plan, kept)
        trees = {key: TreeInspector(root) for key, root in roots.items()}
        there = {key: tree for key, tree in trees.items() if tree.is_there()}
        audit = await _read_all(reader, there, [d for d in kept if d.root in there], progress)
        gone = dict.fromkeys(d.root for d in kept if d.root not in there)
        audit.findings += [
            Finding(kind=Flaw.UNREADABLE, root=key, path=".", detail=_NOT_MOUNTED) for key in gone
        ]
        for key in there.keys() & plan.roots.keys():
            walked = await there[key].walk(within(key, roots))
            audit.findings += await _unknown_files(reader, key, walked)
    return audit


async def _read_all(
    reader: Store, trees: Trees, deliveries: Sequence[Delivery], progress: Progress
) -> VerifyReport:
    audit = VerifyReport()

    def on_read(size: int) -> None:
        audit.size += size
        progress.read(size)

    progress.begin(len(deliveries), sum(d.size or 0 for d in deliveries))
    for delivery in deliveries:
        if found := await judge(reader, trees, delivery, on_read):
            audit.findings.append(found)
        audit.checked += 1
        progress.file()
    return audit


async def judge(
    reader: Store, trees: Trees, delivery: Delivery, on_read: Callable[[int], None]
) -> Finding | None:
    """Return what is wrong with a stored delivery; one that changed meanwhile is judged again."""
    while found := await _compare(trees[delivery.root], delivery, on_read):
        now = await current_row(reader, delivery)
        if now is None or not now.state.settled or now.path is None or now.root not in trees:
            return None
        if is_same_file(now, delivery):
            return found
        delivery = now
    return None


async def _compare(tree: TreeInspector, delivery: Delivery, on_read: Callable[[int], None]) -> Finding | None:
    path = delivery.path or ""
    if found := judge_file(delivery, await tree.read(path, delivery.size, on_read)):
        return found
    return judge_sidecar(delivery, *await tree.read_sidecar(sidecar_of(path)))


async def current_row(reader: Store, delivery: Delivery) -> Delivery | None:
    """Return the present row of a delivery."""
    order = await reader.orders.get(delivery.account, delivery.order_id)
    return next((d for d in order.deliveries if d.key == delivery.key), None) if order else None


def is_same_file(one: Delivery, other: Delivery) -> bool:
    """Return whether two rows describe the same stored file."""
    return (one.root, one.path, one.sha256, one.stored_at) == (
        other.root,
        other.path,
        other.sha256,
        other.stored_at,
    )


def all_roots(plan: Plan, deliveries: Iterable[Delivery]) -> dict[str | None, Path]:
    """Return the configured roots, and earlier ones that rows still name."""
    left: dict[str | None, Path] = {d.root: Path(d.root) for d in deliveries if d.root is not None}
    return {**left, **plan.roots}


def within(key: str | None, roots: Mapping[str | None, Path]) -> list[Path]:
    """Return the other trees inside this one, as paths below it."""
    root = roots[key]
    real = root.resolve()
    others = {path.resolve() for path in roots.values()} - {real}
    return [root / path.relative_to(real) for path in others if path.is_relative_to(real)]


async def _unknown_files(reader: Store, root: str | None, walked: WalkResult) -> list[Finding]:
    """Return files no row knows; rows are read after the walk, and reserve the name of each new file."""
    rows = await reader.deliveries.in_states(*DeliveryState)
    known = {d.path for d in rows if d.path is not None and d.root == root}
    found = [
        Finding(kind=Flaw.UNREADABLE, root=root, path=path, detail=why)
        for path, why in sorted(walked.errors.items())
    ]
    found += [
        Finding(kind=Flaw.ORPHAN, root=root, path=path, detail="no delivery has this name")
        for path in orphans(sorted(walked.files), known)
    ]
    return found
