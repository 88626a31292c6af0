"""Repairs what `verify` found: quarantines wrong files and fetches them again, rewrites sidecars."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from orderwatch.app.commands.once import fetch_all, reason_of
from orderwatch.app.commands.progress import UNWATCHED, Progress
from orderwatch.app.commands.verify import Trees, VerifyReport, all_roots, current_row, judge
from orderwatch.app.daemon.runtime import open_runtime
from orderwatch.app.held_database import held_database
from orderwatch.app.plan import Plan
from orderwatch.app.trees.opening import open_trees
from orderwatch.core.deliveries.audit import Finding, Remedy, remedy, sidecar_of
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.sidecar import sidecar
from orderwatch.core.deliveries.state_machine import on_loss
from orderwatch.core.model import UNFINISHED, Delivery, Order
from orderwatch.db.repositories import Store, open_store
from orderwatch.errors import DiskError, LockedError, OrderwatchError, StaleOrderError
from orderwatch.ops.log import Redactor
from orderwatch.ports.tree_audit import TreeAudit


@dataclass(slots=True)
class Repair:
    """The repair of a finding: it is `mended`, or its delivery is `queued` again."""

    finding: Finding
    detail: str
    mended: bool = False
    queued: Delivery | None = None


async def begin_repair(plan: Plan, audit: VerifyReport, now: datetime) -> list[Repair]:
    """Quarantine files, rewrite sidecars and queue deliveries again; works beside a running daemon."""
    held = [f.delivery for f in audit.findings if f.delivery is not None]
    async with (
        open_trees(plan, all_roots(plan, held)) as trees,
        open_store(plan.database.location) as store,
    ):
        inspectors = {key: tree.inspector() for key, tree in trees.items()}
        return [await _begin(store, inspectors, finding, now) for finding in audit.findings]


async def finish_repair(
    plan: Plan, redactor: Redactor, repairs: Sequence[Repair], progress: Progress = UNWATCHED
) -> None:
    """Fetch what was queued again, unless a running daemon does it."""
    queued = [repair for repair in repairs if repair.queued is not None]
    if not queued:
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(held_database(plan.database))
        except LockedError:
            for repair in queued:
                repair.detail = "queued again: the running daemon downloads it"
            return
        try:
            await _fetch_again(plan, redactor, queued, progress)
        except OrderwatchError as error:
            for repair in queued:
                repair.detail = f"queued again, not downloaded: {error}"


async def _begin(store: Store, trees: Trees, finding: Finding, now: datetime) -> Repair:
    """Judge a finding again before anything is moved: reading the tree may have taken hours."""
    if finding.delivery is None:
        return Repair(finding, "left untouched")
    try:
        if await trees[finding.root].absence():
            return Repair(finding, "its delivery tree no longer exists")
        return await _mend_again(store, trees, finding, finding.delivery, now)
    except DiskError as error:
        return Repair(finding, str(error))
    except StaleOrderError:
        return Repair(finding, "it was changed meanwhile: verify again")


async def _mend_again(
    store: Store, trees: Trees, finding: Finding, delivery: Delivery, now: datetime
) -> Repair:
    latest = await judge(store, trees, delivery, lambda _size: None)
    order = await store.orders.get(delivery.account, delivery.order_id)
    if latest is None or latest.delivery is None or order is None:
        return Repair(finding, "no longer applies", mended=True)
    return await _mend(store, trees[latest.root], latest, order, now)


async def _mend(store: Store, tree: TreeAudit, finding: Finding, order: Order, now: datetime) -> Repair:
    held = finding.delivery
    what, detail = remedy(finding, order)
    if held is None or held.path is None or what is Remedy.NONE:
        return Repair(finding, detail)
    reason = f"{finding.kind}: {finding.detail}"
    await tree.quarantine(finding.path, reason)
    if what is Remedy.DESCRIBE:
        content = sidecar(order, held, held.stored_at or now)
        await tree.write_sidecar(finding.path, content, f"{partial_name(held)}.json")
        return Repair(finding, detail, mended=True)
    await tree.quarantine(sidecar_of(held.path), reason)
    await tree.remove_partial(partial_name(held))
    move = on_loss(held, now, f"{reason}; downloaded again")
    await store.deliveries.save(move)
    return Repair(finding, detail, queued=move.delivery)


async def _fetch_again(plan: Plan, redactor: Redactor, repairs: Sequence[Repair], progress: Progress) -> None:
    """Fetch the deliveries and read them again."""
    keys = {repair.queued.key for repair in repairs if repair.queued is not None}
    async with open_runtime(plan, redactor) as runtime:
        unfinished = [d for d in await runtime.store.deliveries.in_states(*UNFINISHED) if d.key in keys]
        await fetch_all(runtime, unfinished, progress)
        for repair in repairs:
            row = await current_row(runtime.store, repair.queued) if repair.queued else None
            if row is None or not row.state.settled:
                repair.detail = (
                    f"{row.state}: {reason_of(runtime, row)}" if row else "its order no longer exists"
                )
                continue
            async with open_trees(plan, all_roots(plan, [row])) as trees:
                inspectors = {key: tree.inspector() for key, tree in trees.items()}
                found = await judge(runtime.store, inspectors, row, lambda _size: None) if row.path else None
            repair.mended = found is None
            repair.detail = found.detail if found else _stored_as(row, repair.finding)


def _stored_as(row: Delivery, finding: Finding) -> str:
    """Describe where the repaired file is; one published again may have another name or version."""
    if row.path is None:
        return row.reason or "no longer needed"
    return "downloaded again" if row.path == finding.path else f"downloaded again as {row.path}"
