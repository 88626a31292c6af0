"""What the tests of the database share: orders to write, values of every kind, other processes."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.patience import PATIENCE

from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.core.deliveries.file_version import FileVersion, RefusedFile
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
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.engines.postgres import run_blocking
from orderwatch.db.repositories import Store

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def an_order(task_id: int | None = 1, account: str = "main", **fields: Any) -> Order:  # noqa: ANN401 - of any field
    standing = TrackedStatus(word="in_progress", phase=OrderPhase.IN_PROGRESS)
    keys = {"account": account, "order_id": str(task_id), "task_id": task_id}
    return Order(**{**keys, "status": standing, **fields})


def a_delivery(
    scene_id: str = "scene-1",
    task_id: int | None = 1,
    **fields: Any,  # noqa: ANN401 - as above
) -> Delivery:
    given = {
        "account": "main",
        "order_id": str(task_id),
        "task_id": task_id,
        "capture_id": "capture-1",
        "scene_id": scene_id,
        "attachment": "delivery_zip",
        "file_name": f"{scene_id}.zip",
        "fingerprint": f"{scene_id}, first",
    }
    return Delivery(**{**given, **fields})


def a_move(
    after: str = "in_progress",
    task_id: int | None = 1,
    **fields: Any,  # noqa: ANN401 - as above
) -> Transition:
    given = {
        "at": NOW,
        "account": "main",
        "order_id": str(task_id),
        "task_id": task_id,
        "subject": Subject.ORDER,
        "before": None,
        "after": after,
        "kind": TransitionKind.FIRST,
    }
    return Transition(**{**given, **fields})


async def held(store: Store, task_id: int | None = 1, account: str = "main") -> Order:
    order = await store.orders.get(account, str(task_id))
    assert order is not None
    return order


async def want(store: Store, *wanted: Delivery) -> list[Delivery]:
    """Deliveries of one order, as the database holds them."""
    first = wanted[0]
    order = await store.orders.get(first.account, first.order_id)
    order = order or an_order(first.task_id, first.account)
    await store.orders.save(Verdict(order=order, wanted=wanted))
    keys = {delivery.key for delivery in wanted}
    return [d for d in (await held(store, first.task_id, first.account)).deliveries if d.key in keys]


async def row_of(store: Store, delivery: Delivery) -> Delivery:
    order = await held(store, delivery.task_id, delivery.account)
    return next(d for d in order.deliveries if d.key == delivery.key)


def elsewhere(code: str, *arguments: object) -> str:
    """What another process prints that runs this code."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=PATIENCE
    ).stdout.strip()


def write_from_elsewhere(database: Path) -> str:
    """Write a row from another process that does not wait for a locked file."""
    return elsewhere(
        """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=0) as db:
    db.execute("INSERT INTO transitions (at, account, order_id, subject, after, kind)"
               " VALUES ('2026-11-22 12:00:00.000000', 'elsewhere', '1', 'order', 'x', 'first')")
db.close()
print("written")
""",
        database,
    )


def facts(database: DatabaseLocation, query: str) -> list[tuple[Any, ...]]:
    """What a plain query returns."""
    if isinstance(database, PostgresServer):
        return run_blocking(database, lambda db: [tuple(row) for row in db.exec_driver_sql(query)])
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def apart(values: Iterable[Any]) -> bool:
    found = list(values)
    return len(found) == len(set(found))


# Text that the provider may send; the edge removes lone surrogates before anything is kept.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.none() | TEXTS
COUNTS = st.integers(0, 2**31)
SIZES = st.integers(0, 2**63 - 1)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31), timezones=ZONES)  # noqa: DTZ001 - the zone is drawn
MAYBE = st.none() | TIMES
_NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(  # as answers are read: larger integers become doubles
    st.none() | st.booleans() | _NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(TEXTS, JSON, max_size=3)


def standings(phases: type[OrderPhase | CapturePhase]) -> st.SearchStrategy[Any]:
    return st.builds(
        TrackedStatus, word=TEXTS, phase=st.none() | st.sampled_from(phases), doubts=COUNTS, doubted_at=MAYBE
    )


SCENES = st.builds(
    SceneFacts,
    timestamp=MAYBE,
    satellite_name=NAMES,
    product=NAMES,
    footprint=st.none() | DOCUMENTS,
    collection=NAMES,
    grid=NAMES,
    product_version=NAMES,
)
CAPTURES = st.builds(
    Capture,
    capture_id=TEXTS,
    status=standings(CapturePhase),
    start=MAYBE,
    satellite_name=NAMES,
    published_at=MAYBE,
    scenes_seen_at=MAYBE,
    lacking=st.booleans(),
    parts_changed_at=MAYBE,
)
VERSIONS = st.builds(FileVersion, st.none() | SIZES, NAMES, NAMES, NAMES, NAMES, COUNTS)
DELIVERIES = st.builds(
    Delivery,
    account=st.just("main"),
    order_id=st.just("1"),
    task_id=st.just(1),
    capture_id=TEXTS,
    scene_id=TEXTS,
    attachment=TEXTS,
    version=st.integers(1, 2**31),
    file_name=TEXTS,
    fingerprint=TEXTS,
    scene=SCENES,
    state=st.sampled_from(DeliveryState),
    attempts=COUNTS,
    attempts_without_progress=COUNTS,
    not_before=MAYBE,
    reason=NAMES,
    durable=SIZES,
    total=st.none() | SIZES,
    validator=NAMES,
    weak_validator=NAMES,
    last_modified=NAMES,
    host_date=NAMES,
    tag_changes=COUNTS,
    refused_sha256=NAMES,
    refused=st.none() | st.builds(RefusedFile, VERSIONS, TEXTS),
    root=st.none(),  # taken with the path, through `reserve`
    path=st.none(),
    size=st.none() | SIZES,
    sha256=NAMES,
    stored_at=MAYBE,
)
ORDERS = st.builds(
    Order,
    account=st.just("main"),
    order_id=st.just("1"),
    task_id=st.just(1),
    status=standings(OrderPhase),
    state=st.sampled_from(OrderState),
    task_name=NAMES,
    project_name=NAMES,
    product=NAMES,
    placed_at=MAYBE,
    start=MAYBE,
    end=MAYBE,
    reason=NAMES,
    document=DOCUMENTS,
    final_at=MAYBE,
    last_seen_at=MAYBE,
    listed_at=st.none(),  # set by `mark_listed`
    looked_at=MAYBE,
    next_look_at=MAYBE,
    captures=st.lists(CAPTURES, max_size=3, unique_by=lambda capture: capture.capture_id).map(tuple),
    deliveries=st.lists(DELIVERIES, max_size=3, unique_by=lambda delivery: delivery.key).map(tuple),
)
TROUBLES = st.builds(
    OpenCircuit, began_at=TIMES, failures=COUNTS, until=TIMES, refused=st.booleans(), reason=TEXTS
)
MOVES = st.builds(
    Transition,
    at=TIMES,
    account=st.just("main"),
    order_id=st.just("1"),
    task_id=st.just(1),
    subject=st.sampled_from(Subject),
    before=NAMES,
    after=TEXTS,
    kind=st.sampled_from(TransitionKind),
    capture_id=NAMES,
    scene_id=NAMES,
    detail=NAMES,
)


def written(order: Order) -> Order:
    """The order as it is read back after it was saved."""
    return replace(order, version=order.version + 1)
