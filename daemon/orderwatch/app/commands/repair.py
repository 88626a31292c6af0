"""Mending what `verify` found: wrong files are set aside and fetched again, sidecars written again."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from orderwatch.app.commands.once import fetch_all, reason_of
from orderwatch.app.commands.progress import UNWATCHED, Progress
from orderwatch.app.commands.verify import Trees, VerifyReport, all_roots, as_it_is, judge
from orderwatch.app.daemon.runtime import open_runtime
from orderwatch.app.factories import held_database
from orderwatch.config import Settings
from orderwatch.core.deliveries.audit import Finding, Remedy, remedy, sidecar_of
from orderwatch.core.deliveries.paths import partial_name
from orderwatch.core.deliveries.sidecar import sidecar
from orderwatch.core.deliveries.state_machine import on_loss
from orderwatch.core.model import UNFINISHED, Delivery, Order
from orderwatch.db.store import Store, open_store
from orderwatch.errors import DiskError, LockedError, OrderwatchError, StaleOrderError
from orderwatch.ops.log import Redactor
from orderwatch.transfer.tree.inspector import TreeInspector


@dataclass(slots=True)
class Repair:
    """What was done about a finding: it is `mended`, or `wanted` again with its bytes still to come."""

    finding: Finding
    told: str
    mended: bool = False
    wanted: Delivery | None = None


async def begin_repair(settings: Settings, audit: VerifyReport, now: datetime) -> list[Repair]:
    """Set aside, describe and want again, beside a running daemon too."""
    held = [f.delivery for f in audit.findings if f.delivery is not None]
    trees = {key: TreeInspector(root) for key, root in all_roots(settings, held).items()}
    async with open_store(settings.database.path) as store:
        return [await _begin(store, trees, finding, now) for finding in audit.findings]


async def finish_repair(
    settings: Settings, redactor: Redactor, repairs: Sequence[Repair], progress: Progress = UNWATCHED
) -> None:
    """Fetch what is wanted again, unless there is a daemon to do it."""
    wanted = [repair for repair in repairs if repair.wanted is not None]
    if not wanted:
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(held_database(settings))
        except LockedError:
            for repair in wanted:
                repair.told = "wanted again: the running daemon brings it"
            return
        try:
            await _fetch_again(settings, redactor, wanted, progress)
        except OrderwatchError as error:
            for repair in wanted:
                repair.told = f"wanted again, not fetched: {error}"


async def _begin(store: Store, trees: Trees, finding: Finding, now: datetime) -> Repair:
    """The reading may have taken hours, so what is found is judged once more before anything is moved."""
    if finding.delivery is None:
        return Repair(finding, "left as it is")
    if not trees[finding.root].is_there():
        return Repair(finding, "its tree is not there any more")
    latest = await judge(store, trees, finding.delivery, lambda _size: None)
    order = await store.order(finding.delivery.account, finding.delivery.task_id)
    if latest is None or latest.delivery is None or order is None:
        return Repair(finding, "no longer so", mended=True)
    try:
        return await _mend(store, trees[latest.root], latest, order, now)
    except DiskError as error:
        return Repair(finding, str(error))
    except StaleOrderError:
        return Repair(finding, "it was written meanwhile: verify again")


async def _mend(store: Store, tree: TreeInspector, finding: Finding, order: Order, now: datetime) -> Repair:
    held = finding.delivery
    what, told = remedy(finding, order)
    if held is None or held.path is None or what is Remedy.NONE:
        return Repair(finding, told)
    reason = f"{finding.kind}: {finding.detail}"
    await tree.set_aside(finding.path, reason)
    if what is Remedy.DESCRIBE:
        content = sidecar(order, held, held.stored_at or now)
        await tree.describe(finding.path, content, f"{partial_name(held)}.json")
        return Repair(finding, told, mended=True)
    await tree.set_aside(sidecar_of(held.path), reason)
    await tree.forget(partial_name(held))
    move = on_loss(held, now, f"{reason}; fetched again")
    await store.record(move)
    return Repair(finding, told, wanted=move.delivery)


async def _fetch_again(
    settings: Settings, redactor: Redactor, repairs: Sequence[Repair], progress: Progress
) -> None:
    """Fetch them and read them once more."""
    keys = {repair.wanted.key for repair in repairs if repair.wanted is not None}
    async with open_runtime(settings, redactor) as app:
        wanted = [d for d in await app.store.deliveries(*UNFINISHED) if d.key in keys]
        await fetch_all(app, wanted, progress)
        for repair in repairs:
            row = await as_it_is(app.store, repair.wanted) if repair.wanted else None
            if row is None or not row.state.settled:
                repair.told = f"{row.state}: {reason_of(app, row)}" if row else "its order is gone"
                continue
            trees = {key: TreeInspector(root) for key, root in all_roots(settings, [row]).items()}
            found = await judge(app.store, trees, row, lambda _size: None) if row.path else None
            repair.mended = found is None
            repair.told = found.detail if found else _stored_as(row, repair.finding)


def _stored_as(row: Delivery, finding: Finding) -> str:
    """Published again meanwhile it may have another name, or be the bytes of another version."""
    if row.path is None:
        return row.reason or "not needed any more"
    return "fetched again" if row.path == finding.path else f"fetched again as {row.path}"
