"""Why a file is not stored yet."""

from dataclasses import replace
from typing import Any

import pytest
from tests.db.kit import MINUTE, NOW, a_delivery

from orderwatch.core.actions.pauses import Pause, Pauses
from orderwatch.core.deliveries.bandwidth import Allowance, Progress
from orderwatch.core.model import DeliveryState
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.queue.backlog import Backlog, FileGroup
from orderwatch.core.queue.report import (
    Blocks,
    Hold,
    Limits,
    QueueFile,
    QueueOrder,
    QueuePart,
    QueueReport,
    Why,
    reasons_of,
)

FREE = Blocks(accounts={"main"})
PAUSED = replace(FREE, pauses=Pauses([Pause(account=None, paused_at=NOW, who="kim")]))
TROUBLE = OpenCircuit(began_at=NOW, failures=3, until=NOW + MINUTE, refused=False, reason="503")
AWAY = replace(FREE, troubles={"main": TROUBLE})
S = DeliveryState


def a_file(state: DeliveryState = S.WANTED, *, is_later: bool = False, **fields: Any) -> QueueFile:  # noqa: ANN401 - of any field
    delivery = a_delivery(state=state, **fields)
    return QueueFile(
        delivery=delivery,
        task_name="Quay",
        project_name=None,
        priority=0.0,
        published_at=None,
        is_later=is_later,
    )


@pytest.mark.parametrize(
    ("blocks", "file", "hold"),
    [
        (FREE, a_file(), Hold(Why.TURN)),
        (FREE, a_file(S.WAITING, reason="cut"), Hold(Why.TURN)),
        (
            FREE,
            a_file(S.WAITING, is_later=True, not_before=NOW, reason="cut"),
            Hold(Why.RETRY, NOW, "cut"),
        ),
        (FREE, a_file(S.PARKED, not_before=NOW, reason="full"), Hold(Why.PARKED, NOW, "full")),
        (PAUSED, a_file(S.PARKED), Hold(Why.PAUSED, None, "by kim. To continue: orderwatch resume")),
        (AWAY, a_file(), Hold(Why.ACCOUNT, NOW + MINUTE, "503")),
        (AWAY, a_file(S.FETCHING), Hold(Why.FETCHING)),
        (
            FREE,
            a_file(account="old"),
            Hold(Why.UNCONFIGURED, None, "no [accounts.old] in the configuration"),
        ),
    ],
)
def test_each_file_has_one_reason_until_when(blocks: Blocks, file: QueueFile, hold: Hold) -> None:
    assert blocks.hold_of(file) == hold


def group(account: str, state: DeliveryState, number: int, *, is_later: bool = False) -> FileGroup:
    return FileGroup(account, "preview", state, is_later, number, 0, 0)


def test_reasons_count_every_file_once() -> None:
    groups = [
        group("main", S.WANTED, 5),
        group("main", S.WAITING, 1),
        group("main", S.WAITING, 2, is_later=True),
        group("old", S.WANTED, 3),
    ]
    assert reasons_of(groups, FREE) == {Why.TURN: 6, Why.RETRY: 2, Why.UNCONFIGURED: 3}


def test_places_count_from_the_first_that_is_not_downloaded_and_speeds_add_up() -> None:
    running = [a_delivery(f"r{n}", state=S.FETCHING, durable=10, total=100) for n in (1, 2)]
    other = a_delivery("r3", 2, state=S.FETCHING, durable=10, total=100)
    first, second = a_file(scene_id="a"), a_file(scene_id="b")
    order = QueueOrder(
        account="main",
        order_id="1",
        task_id=1,
        task_name=None,
        project_name=None,
        priority=0,
        fetching=2,
        backlog=Backlog(),
    )
    report = QueueReport(
        blocks=FREE,
        limits=Limits({"main"}, 4, Allowance(0)),
        backlog=Backlog(),
        reasons={Why.FETCHING: 3, Why.TURN: 9},
        orders=[order],
        more_orders=0,
        part=QueuePart([first, second, a_file(S.PARKED)], 5),
        transfers=[*(Progress(one, 7.0) for one in running), Progress(other, None)],
    )
    assert [report.place_of(file) for file in report.part.files] == [3, 4, None]
    assert (report.speed, report.speed_of(order)) == (14.0, 14.0)
    assert replace(report, transfers=report.transfers[2:]).speed is None
    assert report.transfer_of(first) is None
