"""Rebuilds records from the sidecars of a delivery tree."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orderwatch.core.deliveries.audit import extracted_folder, is_within, sidecar_of
from orderwatch.core.deliveries.paths import is_catalog, place_key
from orderwatch.core.deliveries.sidecar import SidecarFacts
from orderwatch.core.formatting import format_bytes_pair
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.completeness import delivery_label
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.status import NO_STATUS

_DETAIL = "rebuilt from the tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A stored file and its sidecar; `size` is the file's in bytes."""

    root: str | None
    path: str
    size: int
    described: SidecarFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file that is not registered, and why."""

    root: str | None
    path: str
    detail: str


def sort_out(files: Collection[str]) -> tuple[list[str], list[str]]:
    """Returns the files with a sidecar, and those without, except the catalog and extracted files."""
    described = {path for path in files if sidecar_of(path) in files}
    folders = extracted_folder(described)
    ours = [path for path in sorted(files) if not is_within(path, folders)]
    known = described | {sidecar_of(path) for path in described}
    rest = [path for path in ours if path not in known and not is_catalog(path)]
    return [path for path in ours if path in described], rest


def taken_up(found: Iterable[Found]) -> tuple[list[Found], list[Refused]]:
    """Returns the files to register, with each delivery and name once, and the others."""
    taken: list[Found] = []
    refused: list[Refused] = []
    deliveries: dict[object, Found] = {}
    places: set[str] = set()
    for one in sorted(_joined(found), key=lambda f: (f.root or "", f.path)):
        key, place = one.described.delivery.key, place_key(one.path, one.root)
        size = one.described.delivery.size
        if one.size != size:
            has, had = format_bytes_pair(one.size, size)
            refused.append(_refused(one, f"{has} instead of {had}"))
        elif first := deliveries.get(key):
            refused.append(_refused(one, f"the same delivery as {first.path}"))
        elif place in places:
            refused.append(_refused(one, "the name of another file except for upper and lower case"))
        else:
            taken.append(one)
            deliveries[key] = one
            places.add(place)
    return taken, refused


def _joined(found: Iterable[Found]) -> Iterator[Found]:
    """Yields the files; an order that sidecars know under two ids gets the one of the newest of them."""
    newest_last = sorted(found, key=lambda one: one.described.stored_at)
    of_tasks = [d for one in newest_last if (d := one.described.delivery).task_id is not None]
    tasks = {(d.account, d.order_id): d.task_id for d in of_tasks}
    ids = {(d.account, d.task_id): d.order_id for d in of_tasks}
    for one in newest_last:
        held = one.described.delivery
        task_id = tasks.get((held.account, held.order_id))
        order_id = ids.get((held.account, task_id), held.order_id)
        joined = replace(held, order_id=order_id, task_id=task_id)
        yield replace(one, described=replace(one.described, delivery=joined))


def under(verdict: Verdict, order_id: str) -> Verdict:
    """Returns the verdict on the order under another of its ids."""
    order = verdict.order
    deliveries = tuple(replace(delivery, order_id=order_id) for delivery in order.deliveries)
    transitions = tuple(replace(transition, order_id=order_id) for transition in verdict.transitions)
    renamed = replace(order, order_id=order_id, deliveries=deliveries)
    return replace(verdict, order=renamed, transitions=transitions)


def restored(found: Sequence[Found], now: datetime) -> list[Verdict]:
    """Returns the orders to record, open and due now so that their status is soon polled."""
    orders: defaultdict[tuple[str, str], list[Found]] = defaultdict(list)
    for one in found:
        held = one.described.delivery
        orders[held.account, held.order_id].append(one)
    return [_order(of_one, now) for _, of_one in sorted(orders.items())]


def _order(found: Sequence[Found], now: datetime) -> Verdict:
    latest = max(found, key=lambda one: one.described.stored_at).described
    captures: defaultdict[str, list[SidecarFacts]] = defaultdict(list)
    for one in found:
        captures[one.described.delivery.capture_id].append(one.described)
    order = Order(
        account=latest.delivery.account,
        order_id=latest.delivery.order_id,
        task_id=latest.delivery.task_id,
        status=TrackedStatus(word=NO_STATUS, phase=None),
        task_name=latest.task_name,
        project_name=latest.project_name,
        product=latest.product,
        next_look_at=now,
        captures=tuple(_capture(name, sidecars) for name, sidecars in captures.items()),
        deliveries=tuple(_deliveries(found)),
    )
    return Verdict(order=order, transitions=tuple(_moves(order, now)))


def _capture(capture_id: str, sidecars: Sequence[SidecarFacts]) -> Capture:
    """Returns a published capture; older sidecars lack the time, so it is that of storage."""
    latest = max(sidecars, key=lambda one: one.stored_at)
    return Capture(
        capture_id=capture_id,
        status=TrackedStatus(word=CapturePhase.PUBLISHED.value, phase=CapturePhase.PUBLISHED),
        start=latest.capture_start,
        satellite_name=latest.satellite_name,
        published_at=min(one.published_at or one.stored_at for one in sidecars),
    )


def _deliveries(found: Iterable[Found]) -> Iterator[Delivery]:
    """Yields the deliveries; of several versions the newest is stored, the others are superseded."""
    newest: dict[object, int] = {}
    for one in found:
        held = one.described.delivery
        newest[held.key[:-1]] = max(held.version, newest.get(held.key[:-1], 0))
    for one in found:
        held = replace(one.described.delivery, root=one.root, path=one.path)
        latest = newest[held.key[:-1]]
        if held.version < latest:
            held = replace(held, state=DeliveryState.SUPERSEDED, reason=f"version {latest} is stored")
        yield held


def _moves(order: Order, now: datetime) -> Iterator[Transition]:
    yield _move(order, now, Subject.ORDER, order.status.word)
    for capture in order.captures:
        yield _move(order, now, Subject.CAPTURE, capture.status.word, capture_id=capture.capture_id)
    for held in order.deliveries:
        yield _move(
            order,
            now,
            Subject.DELIVERY,
            held.state,
            capture_id=held.capture_id,
            scene_id=held.scene_id,
            detail=f"{delivery_label(held)}, {_DETAIL}",
            file=delivery_label(held),
        )


def _move(
    order: Order,
    now: datetime,
    subject: Subject,
    after: str,
    *,
    capture_id: str | None = None,
    scene_id: str | None = None,
    detail: str = _DETAIL,
    file: str | None = None,
) -> Transition:
    return Transition(
        at=now,
        account=order.account,
        order_id=order.order_id,
        task_id=order.task_id,
        capture_id=capture_id,
        scene_id=scene_id,
        subject=subject,
        before=None,
        after=after,
        kind=TransitionKind.FIRST,
        detail=detail,
        file=file,
    )


def _refused(one: Found, detail: str) -> Refused:
    return Refused(root=one.root, path=one.path, detail=detail)
