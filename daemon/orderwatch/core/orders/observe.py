"""The provider's machine is never illegal: each move is classified and recorded, what is published wanted."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.order_state import state_of
from orderwatch.core.orders.snapshot import (
    AttachmentSnapshot,
    CaptureSnapshot,
    Observation,
    OrderSnapshot,
    SceneSnapshot,
)
from orderwatch.core.orders.status import (
    CAPTURE_TRANSITIONS,
    NO_STATUS,
    ORDER_TRANSITIONS,
    StatusRules,
    update_status,
)

_SHOWN_LATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an operator wants of an order, and when a contradicted final status is given up."""

    attachments: frozenset[str]
    grace: timedelta
    doubts_needed: int = 3
    doubted_for: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The order as it now is, and what has to be recorded with it in one transaction."""

    order: Order
    transitions: tuple[Transition, ...] = ()
    wanted: tuple[Delivery, ...] = ()  # new or renewed by this look
    unknown: tuple[str, ...] = ()  # words we do not know, as "subject:word"


def observe(order: Order | None, look: Observation, now: datetime, rules: Rules) -> Verdict:
    """Take one look into account. Total, idempotent, and no answer can make a stored file unstored."""
    task_id = _task_id(order, look)
    notes = _Notes(look.account, task_id, now)
    hearing = StatusRules(
        now=now,
        again=order is not None and order.last_seen_at == now,
        doubts_needed=rules.doubts_needed,
        doubted_for=rules.doubted_for,
    )
    standing = _see_order(order, look, hearing, notes)
    captures = _see_captures(order, look, hearing, rules, notes)
    wanted = _see_scenes(order, look, rules, notes)
    deliveries = {d.key: d for d in (*(order.deliveries if order else ()), *wanted)}
    known = order or Order(account=look.account, task_id=task_id, status=standing)
    after = replace(
        status_reasons(known, look.order),
        status=standing,
        final_at=(known.final_at or now) if standing.final else None,
        last_seen_at=now,
        looked_at=now if look.captures is not None else known.looked_at,
        captures=captures,
        deliveries=tuple(deliveries.values()),
    )
    return Verdict(
        order=replace(after, state=_state_by(look, known, after, now, rules)),
        transitions=tuple(notes.moves),
        wanted=wanted,
        unknown=tuple(notes.unknown),
    )


def observe_missing(order: Order | None, account: str, task_id: int, now: datetime) -> Verdict:
    """Take into account that the provider answers 404 for the order. Nothing else of it changes."""
    if order is not None and order.ours and order.looked_at is None and _is_young(order, now):
        return Verdict(order=order)  # it was placed from here, and the provider may show it late
    if order is None:
        nothing: TrackedStatus[OrderPhase] = TrackedStatus(word="", phase=None)
        after = Order(account=account, task_id=task_id, status=nothing, state=OrderState.LOST)
    else:
        after = replace(order, state=OrderState.LOST)
    after = replace(after, last_seen_at=now)
    if order is not None and order.state is OrderState.LOST:
        return Verdict(order=after)
    move = Transition(
        at=now,
        account=account,
        task_id=task_id,
        subject=Subject.ORDER,
        before=order.status.word if order else None,
        after="lost",
        kind=TransitionKind.ODD,
        detail="the provider answers 404",
    )
    return Verdict(order=after, transitions=(move,))


def _is_young(order: Order, now: datetime) -> bool:
    placed_at = order.placed_at or order.last_seen_at
    return placed_at is not None and abs(now - placed_at) < _SHOWN_LATE


def _state_by(look: Observation, known: Order, after: Order, now: datetime, rules: Rules) -> OrderState:
    """Nobody asks for an order again that is done, so only a look that saw all of it makes it that."""
    state = state_of(after, now, rules.grace)
    closes = state is OrderState.DONE and known.state is not OrderState.DONE
    return OrderState.SETTLING if closes and (look.captures is None or not look.whole) else state


def _task_id(order: Order | None, look: Observation) -> int:
    if look.order is not None:
        return look.order.task_id
    if order is None:
        raise ValueError("a look without the order's own row needs a known order")
    return order.task_id


def status_reasons(known: Order, seen: OrderSnapshot | None) -> Order:
    """What the order's own row says of it; what is absent there changes nothing.

    The document of an order that is long done was forgotten, and is not wanted again.
    """
    if seen is None:
        return known
    forgotten = known.state is OrderState.DONE and not known.document
    return replace(
        known,
        task_name=seen.task_name or known.task_name,
        project_name=seen.project_name or known.project_name,
        product=seen.product or known.product,
        placed_at=seen.placed_at or known.placed_at,
        start=seen.start or known.start,
        end=seen.end or known.end,
        document={} if forgotten else seen.document or known.document,
    )


class _Notes:
    """Collects what one look moves."""

    def __init__(self, account: str, task_id: int, now: datetime) -> None:
        self._account = account
        self._task_id = task_id
        self._now = now
        self.moves: list[Transition] = []
        self.unknown: list[str] = []

    def delivery(self, capture_id: str, scene: SceneSnapshot, attachment: AttachmentSnapshot) -> Delivery:
        """An attachment as it is offered now."""
        return Delivery(
            account=self._account,
            task_id=self._task_id,
            capture_id=capture_id,
            scene_id=scene.scene_id,
            attachment=attachment.name,
            file_name=attachment.file_name,
            fingerprint=attachment.fingerprint,
            scene=scene.facts,
        )

    def move(
        self, subject: Subject, before: str | None, after: str, kind: TransitionKind, **where: str | None
    ) -> None:
        self.moves.append(
            Transition(
                at=self._now,
                account=self._account,
                task_id=self._task_id,
                subject=subject,
                before=before,
                after=after,
                kind=kind,
                **where,
            )
        )


def _see_order(
    order: Order | None, look: Observation, hearing: StatusRules, notes: _Notes
) -> TrackedStatus[OrderPhase]:
    seen = look.order
    held = order.status if order else None
    lost = order is not None and order.state is OrderState.LOST
    if seen is None:
        if held is None:
            raise ValueError("a look without the order's own row needs a known order")
        if lost:
            notes.move(
                Subject.ORDER, "lost", held.word, TransitionKind.ODD, detail="the provider shows it again"
            )
        return held
    said = TrackedStatus(word=seen.status, phase=seen.phase)
    standing, kind = update_status(held, said, hearing, ORDER_TRANSITIONS)
    if lost:
        notes.move(
            Subject.ORDER, "lost", standing.word, TransitionKind.ODD, detail="the provider shows it again"
        )
    elif kind is not None:
        notes.move(Subject.ORDER, held.word if held else None, standing.word, kind)
    if seen.phase is None:
        notes.unknown.append(f"order:{seen.status or NO_STATUS}")
    return standing


def _see_captures(
    order: Order | None, look: Observation, hearing: StatusRules, rules: Rules, notes: _Notes
) -> tuple[Capture, ...]:
    captures = {c.capture_id: c for c in (order.captures if order else ())}
    for shown in {c.capture_id: c for c in look.captures or ()}.values():
        known = captures.get(shown.capture_id)
        capture, kind = _meet(known, shown, hearing)
        captures[shown.capture_id] = capture
        if kind is not None:
            was = known.status.word if known else None
            notes.move(Subject.CAPTURE, was, capture.status.word, kind, capture_id=shown.capture_id)
        if shown.phase is None:
            notes.unknown.append(f"capture:{shown.status or NO_STATUS}")
    return tuple(
        _with_scenes(c, look.scenes[c.capture_id], hearing.now, rules) if c.capture_id in look.scenes else c
        for c in captures.values()
    )


def _with_scenes(capture: Capture, scenes: Collection[SceneSnapshot], now: datetime, rules: Rules) -> Capture:
    """The capture once its scenes were asked for: one that has some is published, whatever its word."""
    return replace(
        capture,
        published_at=capture.published_at or (now if scenes else None),
        scenes_seen_at=now,
        lacking=_lacks(scenes, rules.attachments),
    )


def _lacks(scenes: Collection[SceneSnapshot], names: frozenset[str]) -> bool:
    return not scenes or any(names - {a.name for a in scene.attachments} for scene in scenes)


def _see_scenes(order: Order | None, look: Observation, rules: Rules, notes: _Notes) -> tuple[Delivery, ...]:
    wanted: list[Delivery] = []
    for capture_id, scenes in look.scenes.items():
        known = sorted(order.deliveries_of(capture_id) if order else (), key=lambda d: d.version)
        latest = {(d.scene_id, d.attachment): d for d in known}
        for (scene_id, name), (scene, attachment) in _offered(scenes, rules.attachments).items():
            old = latest.get((scene_id, name))
            new = _renewed(notes.delivery(capture_id, scene, attachment), old)
            if new is None:
                continue
            wanted.append(new)
            same = old if old and old.version == new.version else None
            if same is None or same.state is not new.state:
                notes.move(
                    Subject.DELIVERY,
                    same.state if same else None,
                    new.state,
                    TransitionKind.STEP if same else TransitionKind.FIRST,
                    capture_id=capture_id,
                    scene_id=scene_id,
                    detail=delivery_label(new),
                    file=delivery_label(new),
                )
    return tuple(wanted)


def _offered(
    scenes: Iterable[SceneSnapshot], names: frozenset[str]
) -> dict[tuple[str, str], tuple[SceneSnapshot, AttachmentSnapshot]]:
    return {(s.scene_id, a.name): (s, a) for s in scenes for a in s.attachments if a.name in names}


def _meet(
    known: Capture | None, shown: CaptureSnapshot, hearing: StatusRules
) -> tuple[Capture, TransitionKind | None]:
    said = TrackedStatus(word=shown.status, phase=shown.phase)
    standing, kind = update_status(known.status if known else None, said, hearing, CAPTURE_TRANSITIONS)
    published = shown.phase is CapturePhase.PUBLISHED
    capture = Capture(
        capture_id=shown.capture_id,
        status=standing,
        start=shown.start or (known.start if known else None),
        satellite_name=shown.satellite_name or (known.satellite_name if known else None),
        published_at=(known.published_at if known else None) or (hearing.now if published else None),
        scenes_seen_at=known.scenes_seen_at if known else None,
        lacking=known.lacking if known else False,
    )
    return capture, kind


def _renewed(fresh: Delivery, latest: Delivery | None) -> Delivery | None:
    """The delivery to want now, or None where what is known already covers what is published."""
    if latest is None:
        return fresh
    # A running fetch stores what it asked for itself; the next look compares again.
    if latest.fingerprint == fresh.fingerprint or latest.state is DeliveryState.FETCHING:
        return None
    if latest.state.settled or latest.intended:
        return replace(fresh, version=latest.version + 1)
    return replace(fresh, version=latest.version, attempts=latest.attempts)


def delivery_label(delivery: Delivery) -> str:
    """The delivery in words, for a history line."""
    version = "" if delivery.version == 1 else f", version {delivery.version}"
    return f"{delivery.attachment} {delivery.file_name}{version}"
