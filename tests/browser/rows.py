"""Rows of an order, from what its steps were and when."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from tests.db.kit import NOW

from orderwatch.core.model import (
    Capture,
    CapturePhase,
    Delivery,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    SceneFacts,
    Subject,
    TrackedStatus,
    Transition,
    TransitionKind,
)
from orderwatch.core.orders.observe import Verdict

HOUR = timedelta(hours=1)
_HALF_WIDTH = 0.035  # degrees


class Taken(NamedTuple):
    """A capture: hours from now to its steps, and how much of its zip is here."""

    satellite: str
    word: str
    start: float
    published: float | None = None
    stored: float | None = None
    durable: int = 0


class Placed(NamedTuple):
    number: int
    name: str
    project: str
    word: str
    window: tuple[float, float]  # hours from now
    target: tuple[float, float, float, float]  # west, south, east, north; a point's corners are one
    captures: tuple[Taken, ...]


def verdict(placed: Placed) -> Verdict:
    begins, ends = (NOW + hours * HOUR for hours in placed.window)
    over = placed.word in {"canceled", "completed"}
    order = Order(
        account="main",
        order_id=str(placed.number),
        task_id=placed.number,
        status=TrackedStatus(word=placed.word, phase=OrderPhase(placed.word)),
        state=OrderState.SETTLING if over else OrderState.OPEN,
        task_name=placed.name,
        project_name=placed.project,
        product="178",
        placed_at=begins - 2 * HOUR,
        start=begins,
        end=ends,
        document={"target": _geometry(placed.target)},
        final_at=NOW - 4 * HOUR if over else None,
        last_seen_at=NOW - timedelta(seconds=40),
        looked_at=NOW - timedelta(minutes=placed.number % 7),
        next_look_at=NOW + timedelta(minutes=4 * (placed.number % 7)),
        captures=tuple(_capture(placed, n) for n in range(len(placed.captures))),
        deliveries=tuple(file for n in range(len(placed.captures)) for file in _deliveries(placed, n)),
    )
    return Verdict(order=order, transitions=tuple(_moves(order)))


def _capture(placed: Placed, n: int) -> Capture:
    taken = placed.captures[n]
    return Capture(
        capture_id=f"{placed.number * 7919 + n:08x}-1600-4d61-b877-670f9849d157",
        status=TrackedStatus(word=taken.word, phase=CapturePhase(taken.word)),
        start=NOW + taken.start * HOUR,
        satellite_name=taken.satellite,
        published_at=None if taken.published is None else NOW + taken.published * HOUR,
    )


def _deliveries(placed: Placed, n: int) -> list[Delivery]:
    taken, capture = placed.captures[n], _capture(placed, n)
    if taken.published is None or capture.start is None:
        return []
    scene = f"{capture.start:%Y%m%d_%H%M%S}_{taken.satellite.replace('NewSat-', 'SN')}_L1"
    stored = taken.published + 0.05 if taken.stored is None else taken.stored
    whole = Delivery(
        account="main",
        order_id=str(placed.number),
        task_id=placed.number,
        capture_id=capture.capture_id,
        scene_id=scene,
        attachment="",
        file_name="",
        fingerprint="first",
        scene=SceneFacts(
            timestamp=capture.start, satellite_name=taken.satellite, footprint=_strip(placed, n)
        ),
        state=DeliveryState.STORED,
        stored_at=NOW + stored * HOUR,
    )
    folder = f"{placed.project}/{placed.number}/{capture.capture_id}"
    files = [
        replace(
            whole,
            attachment=attachment,
            file_name=name,
            path=f"{folder}/{name}",
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            size=size,
            durable=size,
            total=size,
        )
        for attachment, name, size in (
            ("delivery_zip", f"{scene}_MS_{placed.number}.zip", 46_000_000 - n * 4_100_000),
            ("thumbnail", f"{scene}_thumbnail.png", 1_900),
            ("preview", f"{scene}_preview.png", 5_400),
        )
    ]
    if taken.durable:
        files[0] = replace(
            files[0], state=DeliveryState.FETCHING, durable=taken.durable, size=None, stored_at=None
        )
    return files


def _strip(placed: Placed, n: int) -> dict[str, object]:
    """Where a capture was taken: its part of an area, or around a point."""
    west, south, east, north = placed.target
    if west == east:
        w = _HALF_WIDTH
        return _geometry((west - w, south - w, west + w, south + w))
    step = (east - west) / len(placed.captures)
    return _geometry((west + n * step, south, west + (n + 1) * step, north))


def _geometry(corners: tuple[float, float, float, float]) -> dict[str, object]:
    west, south, east, north = corners
    if west == east:
        return {"type": "Point", "coordinates": [west, south]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _moves(order: Order) -> list[Transition]:
    def move(hours: timedelta, subject: Subject, before: str | None, after: str, **whose: str) -> Transition:
        return Transition(
            at=NOW + hours,
            account=order.account,
            order_id=order.order_id,
            task_id=order.task_id,
            subject=subject,
            before=before,
            after=after,
            kind=TransitionKind.STEP if before else TransitionKind.FIRST,
            **whose,
        )

    assert order.placed_at is not None
    found = [move(order.placed_at - NOW, Subject.ORDER, None, "received")]
    found.append(move(order.placed_at + HOUR - NOW, Subject.ORDER, "received", order.status.word))
    for capture in order.captures:
        whose = {"capture_id": capture.capture_id}
        found.append(move(order.placed_at + 2 * HOUR - NOW, Subject.CAPTURE, None, "planned", **whose))
        if capture.start and capture.start < NOW:
            found.append(move(capture.start - NOW, Subject.CAPTURE, "planned", "captured", **whose))
        if capture.published_at:
            found.append(
                move(capture.published_at - NOW, Subject.CAPTURE, "processing", "published", **whose)
            )
    for file in (f for f in order.deliveries if f.stored_at):
        assert file.stored_at is not None
        assert file.path is not None
        whose = {"capture_id": file.capture_id, "scene_id": file.scene_id, "detail": file.path}
        found.append(move(file.stored_at - NOW, Subject.DELIVERY, "fetching", "stored", **whose))
    return found
