"""Applies a provider snapshot to an order.

Any status change is legal, classified and recorded; published attachments are queued.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderwatch.core.deliveries.wanted import WantedAttachments
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    Order,
    OrderKey,
    OrderPhase,
    OrderState,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.completeness import queue_deliveries, state_of
from orderwatch.core.orders.ending import decided
from orderwatch.core.orders.snapshot import CaptureSnapshot, Observation, OrderSnapshot, SceneSnapshot
from orderwatch.core.orders.status import (
    CAPTURE_TRANSITIONS,
    NO_STATUS,
    ORDER_TRANSITIONS,
    StatusRules,
    TransitionLog,
    update_status,
)

_PLACED_SHOWN_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which attachments are fetched, and when a contradicted final status is given up."""

    attachments: WantedAttachments
    grace: timedelta
    doubts_needed: int = 3
    doubted_for: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The order after an observation, and what is recorded with it in one transaction."""

    order: Order
    transitions: tuple[Transition, ...] = ()
    wanted: tuple[Delivery, ...] = ()  # new or renewed
    unknown: tuple[str, ...] = ()  # statuses that orderwatch does not know, as "subject:status"


def observe(order: Order | None, observation: Observation, now: datetime, rules: Rules) -> Verdict:
    """Applies an observation. It is total and idempotent, and never makes a stored file unstored."""
    key = _key(order, observation)
    log = TransitionLog(observation.account, key, now)
    status_rules = StatusRules(
        now=now,
        again=order is not None and order.last_seen_at == now,
        doubts_needed=rules.doubts_needed,
        doubted_for=rules.doubted_for,
    )
    status = _order_status(order, observation, status_rules, log)
    shown = _captures(order, observation, status_rules, log)
    queued = queue_deliveries(order, observation, key, rules.attachments, log)
    captures = _after_scenes(shown, observation, queued, now, rules)
    deliveries = {d.key: d for d in (*(order.deliveries if order else ()), *queued)}
    known = order or Order(
        account=observation.account, order_id=key.order_id, task_id=key.task_id, status=status
    )
    after = replace(
        merge_snapshot(known, observation.order),
        status=status,
        final_at=(known.final_at or now) if status.final else None,
        last_seen_at=now,
        looked_at=now if observation.captures is not None else known.looked_at,
        captures=captures,
        deliveries=tuple(deliveries.values()),
    )
    return Verdict(
        order=replace(after, state=_state(observation, known, after, now, rules)),
        transitions=tuple(log.transitions),
        wanted=queued,
        unknown=tuple(log.unknown),
    )


def observe_missing(order: Order | None, account: str, key: OrderKey, now: datetime) -> Verdict:
    """Records that the provider answers 404 for the order, and changes nothing else of it."""
    if order is not None and order.ours and order.looked_at is None and _is_young(order, now):
        return Verdict(order=order)  # the provider may show an order late that was placed from here
    if order is None:
        no_status: TrackedStatus[OrderPhase] = TrackedStatus(word="", phase=None)
        after = Order(
            account=account,
            order_id=key.order_id,
            task_id=key.task_id,
            status=no_status,
            state=OrderState.LOST,
        )
    else:
        after = replace(order, state=OrderState.LOST)
    after = replace(after, last_seen_at=now)
    if order is not None and order.state is OrderState.LOST:
        return Verdict(order=after)
    transition = Transition(
        at=now,
        account=account,
        order_id=after.order_id,
        task_id=after.task_id,
        subject=Subject.ORDER,
        before=order.status.word if order else None,
        after="lost",
        kind=TransitionKind.ODD,
        detail="the provider answers 404",
    )
    return Verdict(order=after, transitions=(transition,))


def _is_young(order: Order, now: datetime) -> bool:
    placed_at = order.placed_at or order.last_seen_at
    return placed_at is not None and abs(now - placed_at) < _PLACED_SHOWN_WITHIN


def _state(observation: Observation, known: Order, after: Order, now: datetime, rules: Rules) -> OrderState:
    """Returns the new state. A done order is not polled again, so only a complete observation ends one."""
    state = state_of(after, now, rules.grace)
    closes = state is OrderState.DONE and known.state is not OrderState.DONE
    incomplete = observation.captures is None or not observation.whole
    return OrderState.SETTLING if closes and incomplete else state


def _key(order: Order | None, observation: Observation) -> OrderKey:
    seen = observation.order
    if order is not None:
        task_id = seen.task_id if seen and seen.task_id is not None else order.task_id
        return OrderKey(order.order_id, task_id)
    if seen is None:
        raise ValueError("an observation without the order's own row needs a known order")
    return OrderKey(seen.order_id, seen.task_id)


def merge_snapshot(known: Order, seen: OrderSnapshot | None) -> Order:
    """Returns the order with the fields of its snapshot; a field that is absent there changes nothing.

    A reason does not outlast its status. The document of a done order may have been deleted, and is not
    stored again.
    """
    if seen is None:
        return known
    deleted = known.state is OrderState.DONE and not known.document
    has_same_status = seen.status in {"", known.status.word}
    return replace(
        known,
        task_id=known.task_id if seen.task_id is None else seen.task_id,
        task_name=seen.task_name or known.task_name,
        project_name=seen.project_name or known.project_name,
        product=seen.product or known.product,
        placed_at=seen.placed_at or known.placed_at,
        start=seen.start or known.start,
        end=seen.end or known.end,
        reason=seen.reason or (known.reason if has_same_status else None),
        document={} if deleted else seen.document or known.document,
    )


def _order_status(
    order: Order | None, observation: Observation, status_rules: StatusRules, log: TransitionLog
) -> TrackedStatus[OrderPhase]:
    seen = observation.order
    held = order.status if order else None
    lost = order is not None and order.state is OrderState.LOST
    if seen is None:
        if held is None:
            raise ValueError("an observation without the order's own row needs a known order")
        if lost:
            _log_found_again(held, log)
        return held
    shown = TrackedStatus(word=seen.status, phase=decided(held, seen.phase))
    status, kind = update_status(held, shown, status_rules, ORDER_TRANSITIONS)
    if lost:
        _log_found_again(status, log)
    elif kind is not None:
        reason = seen.reason if order is None or seen.reason != order.reason else None
        log.add(Subject.ORDER, held.word if held else None, status.word, kind, detail=reason)
    if seen.phase is None:
        log.unknown.append(f"order:{seen.status or NO_STATUS}")
    return status


def _log_found_again(status: TrackedStatus[OrderPhase], log: TransitionLog) -> None:
    log.add(Subject.ORDER, "lost", status.word, TransitionKind.ODD, detail="the provider shows it again")


def _captures(
    order: Order | None, observation: Observation, status_rules: StatusRules, log: TransitionLog
) -> Sequence[Capture]:
    captures = {c.capture_id: c for c in (order.captures if order else ())}
    for shown in {c.capture_id: c for c in observation.captures or ()}.values():
        known = captures.get(shown.capture_id)
        capture, kind = _capture(known, shown, status_rules)
        captures[shown.capture_id] = capture
        if kind is not None:
            before = known.status.word if known else None
            log.add(Subject.CAPTURE, before, capture.status.word, kind, capture_id=shown.capture_id)
        if shown.phase is None:
            log.unknown.append(f"capture:{shown.status or NO_STATUS}")
    return tuple(captures.values())


def _after_scenes(
    captures: Sequence[Capture],
    observation: Observation,
    queued: Sequence[Delivery],
    now: datetime,
    rules: Rules,
) -> tuple[Capture, ...]:
    scenes = observation.scenes
    renewed = {delivery.capture_id for delivery in queued}
    return tuple(
        _with_scenes(c, scenes[c.capture_id], now, rules, is_renewed=c.capture_id in renewed)
        if c.capture_id in scenes
        else c
        for c in captures
    )


def _with_scenes(
    capture: Capture, scenes: Collection[SceneSnapshot], now: datetime, rules: Rules, *, is_renewed: bool
) -> Capture:
    """Returns the capture after its scenes were requested; one with scenes is published."""
    changed_at = capture.parts_changed_at
    if is_renewed and any(scene.is_part for scene in scenes):
        changed_at = now
    return replace(
        capture,
        published_at=capture.published_at or (now if scenes else None),
        scenes_seen_at=now,
        lacking=rules.attachments.are_lacking(scenes),
        parts_changed_at=changed_at,
    )


def _capture(
    known: Capture | None, shown: CaptureSnapshot, status_rules: StatusRules
) -> tuple[Capture, TransitionKind | None]:
    shown_status = TrackedStatus(word=shown.status, phase=shown.phase)
    held = known.status if known else None
    status, kind = update_status(held, shown_status, status_rules, CAPTURE_TRANSITIONS)
    published = shown.phase is CapturePhase.PUBLISHED
    capture = Capture(
        capture_id=shown.capture_id,
        status=status,
        start=shown.start or (known.start if known else None),
        satellite_name=shown.satellite_name or (known.satellite_name if known else None),
        published_at=(known.published_at if known else None) or (status_rules.now if published else None),
        scenes_seen_at=known.scenes_seen_at if known else None,
        lacking=known.lacking if known else False,
        parts_changed_at=known.parts_changed_at if known else None,
    )
    return capture, kind
