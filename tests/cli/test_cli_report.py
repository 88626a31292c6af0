"""`report`: from the rows of a real database to figures for people and for scripts."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Call
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order

from orderwatch.cli.report import print_report
from orderwatch.core.model import Capture, CapturePhase, DeliveryState, Subject, TrackedStatus
from orderwatch.core.orders.latency_report import OrderRow, ReportBuilder
from orderwatch.core.orders.observe import Verdict
from orderwatch.db.repositories import open_store

HOUR = timedelta(hours=1)
NOTHING = {"count": 0, "median_seconds": None, "p90_seconds": None}
CAPTURE = Capture(
    capture_id="capture-1",
    status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED),
    start=NOW + HOUR,
    published_at=NOW + 3 * HOUR,
)
OF_CAPTURE: dict[str, Any] = {"subject": Subject.CAPTURE, "capture_id": "capture-1"}


def figures(seconds: float, count: int = 1) -> dict[str, Any]:
    return {"count": count, "median_seconds": seconds, "p90_seconds": seconds}


async def _filled(database: Path) -> None:
    """One order that came through, one of another account that ended with nothing."""
    stored = a_delivery(state=DeliveryState.STORED, stored_at=NOW + 3 * HOUR + timedelta(seconds=4.5))
    facts: dict[str, Any] = {"project_name": "Harbour", "product": "L1D", "document": {"large": "x" * 1000}}
    good = Verdict(
        order=an_order(placed_at=NOW, end=NOW, captures=(CAPTURE,), **facts),
        transitions=(
            a_move("planned", **OF_CAPTURE),
            a_move("published", before="planned", at=CAPTURE.published_at, **OF_CAPTURE),
        ),
        wanted=(stored, replace(stored, version=2, stored_at=NOW + 99 * HOUR)),
    )
    bad = Verdict(
        order=an_order(account="other", task_name="Quay", placed_at=NOW, end=NOW - 10_000 * HOUR),
        transitions=(a_move("received", account="other"),),
    )
    async with open_store(database) as store:
        await store.orders.save_all([good, bad])


@pytest.fixture
def filled(database: Path) -> Path:
    asyncio.run(_filled(database))
    return database


@pytest.mark.usefixtures("filled")
def test_scripts_get_seconds_and_times_in_utc(call: Call) -> None:
    told = json.loads(call("report", "--json").output)
    assert told.pop("at").endswith("Z")
    assert told == {
        "groups": [
            {
                "account": "main",
                "project_name": "Harbour",
                "product": "L1D",
                "orders": 1,
                "placed_to_first_capture": figures(3600.0),
                "capture_to_published": figures(7200.0),
                "published_to_stored": figures(4.5),
            },
            {
                "account": "other",
                "project_name": None,
                "product": None,
                "orders": 1,
                "placed_to_first_capture": NOTHING,
                "capture_to_published": NOTHING,
                "published_to_stored": NOTHING,
            },
        ],
        "dwell": [{"subject": "capture", "state": "planned", **figures(10_800.0)}],
        "overdue": [
            {
                "account": "other",
                "order_id": "1",
                "task_id": 1,
                "task_name": "Quay",
                "project_name": None,
                "status": "in_progress",
                "state": "open",
                "end": "2025-10-01T20:00:00Z",
            }
        ],
    }


@pytest.mark.usefixtures("filled")
def test_people_get_tables(call: Call) -> None:
    lines = [" ".join(line.split()) for line in call("report").output.splitlines()]
    assert lines[0].endswith("UTC; percentiles by nearest rank")
    assert lines[2:14] == [
        "Harbour / L1D account main, 1 order",
        "count median 90 % within",
        "placed → first capture 1 1 h 1 h",
        "capture → published 1 2 h 2 h",
        "published → stored 1 4.5 s 4.5 s",
        "",
        "no project account other, 1 order",
        "count median 90 % within",
        "placed → first capture 0 none yet",
        "capture → published 0 none yet",
        "published → stored 0 none yet",
        "",
    ]
    assert lines[14:] == [
        "Time in each state",
        "count median 90 % within",
        "capture planned 1 3 h 3 h",
        "",
        "Overdue: ended without a stored delivery 1",
        "account order project / task status state ended",
        "other 1 Quay in_progress open 2025-10-01 20:00:00 UTC",
    ]


def test_of_an_empty_database_there_is_nothing_to_tell(call: Call, database: Path) -> None:
    assert database.exists()
    assert call("report").output == "no orders yet\n"
    told = json.loads(call("report", "--json").output)
    assert (told["groups"], told["dwell"], told["overdue"]) == ([], [], [])


def test_without_moves_and_without_overdue_orders_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ReportBuilder()
    ledger.order(OrderRow("main", "1", 1, None, None, None, "received", "open", NOW, NOW + MINUTE))
    print_report(ledger.report(NOW))
    shown = capsys.readouterr().out
    assert "no status change yet" in shown
    assert "no order is overdue" in shown


@pytest.mark.parametrize("name", ["[bold]x[/]", "[/]", "x\x1b[2Jy", "a\nb", ":100:", "\\\\\\", "[red"])
def test_names_of_the_provider_stay_names(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    ledger = ReportBuilder()
    ledger.order(OrderRow("main", "1", 1, name, name, name, name, "open", NOW, NOW - MINUTE))
    print_report(ledger.report(NOW))
    shown = capsys.readouterr().out
    visible = "".join(c if c.isprintable() else "\ufffd" for c in name)
    assert f"\n{visible} / {visible}  account main, 1 order\n" in shown
    assert shown.splitlines()[-1].count(visible) == 3


async def test_a_thousand_rows_are_entered_whole(database: Path) -> None:
    """More than are read at once."""
    of_order = [a_move(str(n % 7), before=str((n - 1) % 7), at=NOW + n * MINUTE) for n in range(2500)]
    verdict = Verdict(order=an_order(), transitions=tuple(of_order))
    ledger = ReportBuilder()
    async with open_store(database) as store:
        await store.orders.save_all([verdict, *(Verdict(order=an_order(n)) for n in range(2, 1502))])
        await store.statistics.fill_report(ledger)
    report = ledger.report(NOW)
    assert [group.orders for group in report.groups] == [1501]
    assert {stay.spans.median for stay in report.dwell} == {MINUTE}
    assert sum(stay.spans.count for stay in report.dwell) == 2499
