"""Reads every stored file again and compares it with its row. Changes nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orderwatch.app.commands.progress import Progress
from orderwatch.app.plan import Plan
from orderwatch.app.trees.opening import inner_trees, open_trees
from orderwatch.core.deliveries.audit import Finding, Flaw, judge_file, judge_sidecar, orphans, sidecar_of
from orderwatch.core.deliveries.delivery_root import DeliveryRoot, parse_root
from orderwatch.core.model import SETTLED, Delivery, DeliveryState
from orderwatch.db.repositories import Store, open_reader
from orderwatch.errors import DiskError
from orderwatch.ports.tree_audit import TreeAudit, WalkResult

Trees = Mapping[str | None, TreeAudit]


@dataclass(slots=True)
class VerifyReport:
    """Number and size of the files read, and what is wrong."""

    checked: int = 0
    size: int = 0
    findings: list[Finding] = field(default_factory=list)


async def verify(plan: Plan, progress: Progress, *, is_whole: bool = True) -> VerifyReport:
    """Read every stored file in every tree, then find files that no row knows.

    If not `is_whole`, files in buckets are not read: the checksums that are stored with them are compared.
    """
    async with open_reader(plan.database.location) as reader:
        kept = [d for d in await reader.deliveries.in_states(*SETTLED) if d.path is not None]
        roots = all_roots(plan, kept)
        async with open_trees(plan, roots) as trees:
            inspectors = {key: tree.inspector(is_whole=is_whole) for key, tree in trees.items()}
            return await _verify(plan, reader, inspectors, kept, progress)


async def _verify(
    plan: Plan, reader: Store, trees: Trees, kept: Sequence[Delivery], progress: Progress
) -> VerifyReport:
    absent = {key: await _absence(tree) for key, tree in trees.items()}
    there = {key: tree for key, tree in trees.items() if absent[key] is None}
    audit = await _read_all(reader, there, [d for d in kept if d.root in there], progress)
    gone = dict.fromkeys(d.root for d in kept if d.root not in there)
    audit.findings += [
        Finding(kind=Flaw.UNREADABLE, root=key, path=".", detail=absent[key] or "") for key in gone
    ]
    roots = all_roots(plan, kept)
    for key in there.keys() & plan.roots.keys():
        walked = await there[key].walk(inner_trees(roots[key], roots))
        audit.findings += await _unknown_files(reader, key, walked)
    return audit


async def _absence(tree: TreeAudit) -> str | None:
    try:
        return await tree.absence()
    except DiskError as error:
        return str(error)


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


async def _compare(tree: TreeAudit, delivery: Delivery, on_read: Callable[[int], None]) -> Finding | None:
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


def all_roots(plan: Plan, deliveries: Iterable[Delivery]) -> dict[str | None, DeliveryRoot]:
    """Return the configured roots, and earlier ones that rows still name."""
    left: dict[str | None, DeliveryRoot] = {
        d.root: parse_root(d.root) for d in deliveries if d.root is not None
    }
    return {**left, **plan.roots}


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
