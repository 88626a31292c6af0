"""`top`: the picture, and how it ends."""

import asyncio
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.conftest import Call
from tests.db.kit import MINUTE, NOW, a_delivery, a_move, an_order
from tests.terminals import Window

from orderwatch.cli.output.live import transfers_table
from orderwatch.cli.top import picture
from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.core.daemon_status import DaemonStatus
from orderwatch.core.deliveries.bandwidth import SpeedMeter
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    DeliveryState,
    OrderPhase,
    OrderState,
    Subject,
    TrackedStatus,
)
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.queue.backlog import Backlog
from orderwatch.core.statistics import Counts, Summary
from orderwatch.db.daemon_status import alive_file
from orderwatch.db.repositories import open_store

RUNS = DaemonStatus(running=True)
COLOURS = re.compile(r"\x1b\[[\d;]*3[0-7]m")
RUNNING = a_delivery(state=DeliveryState.FETCHING, durable=250_000, total=1_000_000)
SHORT = Concern(
    key="a",
    reason=Reason.PROBLEM,
    name="space.short",
    since=NOW - 3 * MINUTE,
    text="There is too little room below /srv.",
    remedy="Make room.",
)
GLANCE = Summary(
    counts=Counts(
        orders={OrderState.OPEN: 2, OrderState.SETTLING: 1, OrderState.DONE: 7},
        deliveries={DeliveryState.FETCHING: 1, DeliveryState.PARKED: 2, DeliveryState.STORED: 40},
    ),
    orders=[an_order(n, task_name="Quay", next_look_at=NOW + 5 * MINUTE) for n in (1, 2, 3)],
    running=[RUNNING],
    moves=[a_move("completed", before="in_progress")],
    attention=[SHORT],
    backlog=Backlog(files=3, sized=1, size=750_000, estimate=2_000_000_000),
)


def shown(glance: Summary, height: int = 24, width: int = 100, daemon: DaemonStatus = RUNS) -> list[str]:
    going = SpeedMeter().measured(glance.running, NOW)
    screen = Console(width=width, height=height, no_color=True, highlight=False)
    with screen.capture() as found:
        screen.print(picture(glance, going, daemon, NOW, height))
    return found.get().splitlines()


def test_the_first_lines_say_how_much_there_is_of_what_and_what_is_wrong_since_when() -> None:
    first, second, *rest = shown(GLANCE)
    totals = "2 orders open · 3 deliveries to come, about 2.0 GB · 40 stored"
    assert first == f"{totals} · 1 thing needs you: 1 problem"
    assert second == "  problem 3 min ago There is too little room below /srv. Make room."
    assert "orders, 3 of 3" in rest[0]
    assert any("Quay" in line and "in 5 min" in line for line in rest)
    assert any("scene-1.zip" in line and "250.0 kB of 1.0 MB" in line for line in rest)
    assert any("in_progress → completed" in line for line in rest)


@pytest.mark.parametrize("height", [12, 24, 60])
def test_the_picture_is_never_higher_than_the_window(height: int) -> None:
    many = replace(
        GLANCE,
        orders=[an_order(n, task_name="A name that is as long as names can be " * 9) for n in range(100)],
        running=[replace(RUNNING, scene_id=f"s{n}", file_name="x" * 300) for n in range(40)],
        moves=[a_move("x" * 300) for _ in range(8)],
        attention=[replace(SHORT, key=f"{n}", text="x" * 300) for n in range(9)],
    )
    assert len(shown(many, height, 60)) <= height
    assert len(shown(many, height, 60, DaemonStatus(running=False))) <= height


def test_without_a_daemon_the_first_line_says_so() -> None:
    first, second, *_ = shown(GLANCE, daemon=DaemonStatus(running=False, last_alive_at=NOW - 180 * MINUTE))
    assert first == "No daemon is running. Last sign of life: 3 h ago (2026-11-22 09:00:00 UTC)."
    assert second.startswith("2 orders open")


def test_of_a_daemon_that_hangs_nobody_says_that_all_is_well() -> None:
    hangs = DaemonStatus(running=True, last_alive_at=NOW - 5 * MINUTE)
    first, second, *_ = shown(replace(GLANCE, attention=[]), daemon=hangs)
    assert first.startswith("The daemon is running but hangs.")
    assert "all is well" not in second


def test_names_of_the_provider_cannot_drive_the_terminal() -> None:
    name = "\x1b]0;mine\x07[bold]\nx"
    standing: TrackedStatus[OrderPhase] = TrackedStatus(word=name, phase=None)
    marked: TrackedStatus[CapturePhase] = TrackedStatus(word=name, phase=None)
    capture = Capture(capture_id=name, status=marked)
    order = an_order(1, task_name=name, project_name=name, status=standing, captures=(capture,) * 9)
    hostile = Summary(
        orders=[order],
        running=[replace(RUNNING, file_name=name)],
        moves=[a_move(name, before=name, capture_id=name, scene_id=name, detail=name)],
        attention=[replace(SHORT, text=name)],
    )
    lines = shown(hostile, width=300)
    assert not any(c in line for line in lines for c in "\x1b\x07")
    assert sum("\ufffd]0;mine\ufffd[bold]\ufffdx" in line for line in lines) == 4


def test_a_transfer_says_how_fast_it_is_and_how_long_it_takes() -> None:
    speeds = SpeedMeter()
    speeds.measured([RUNNING], NOW)
    later = replace(RUNNING, durable=500_000)
    going = speeds.measured([later], NOW + timedelta(seconds=2))
    screen = Console(width=150, no_color=True)
    with screen.capture() as found:
        screen.print(transfers_table(going))
    assert "500.0 kB of 1.0 MB  125.0 kB/s, 4 s left" in found.get()


def played(config: Path, end: Callable[[Window], object], **more: str) -> str:
    """What a window shows of it, first wide, then narrow, and that it ends well."""
    window = Window(["--config", str(config), "top"], more)
    found = window.until("recent changes")
    window.resize(24, 60)
    window.process.send_signal(signal.SIGWINCH)  # as its session would; it has none
    found += window.until(f"╰{'─' * 58}╯")
    end(window)
    code, last = window.end()
    assert code == 0
    assert "\x1b[?1049l" in last, "the former screen is shown again"
    return found


async def test_on_a_terminal_it_follows_the_window_until_q_without_colours_where_they_are_unwanted(
    database: Path, config: Path
) -> None:
    await _fill(database)
    found = await asyncio.to_thread(played, config, lambda window: window.type(b"q"), NO_COLOR="1")
    assert "completed" in found
    assert "Quay \ufffd[2J" in found
    assert not COLOURS.search(found)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
async def test_a_signal_ends_it_as_well(database: Path, config: Path, number: signal.Signals) -> None:
    await _fill(database)
    found = await asyncio.to_thread(played, config, lambda window: window.process.send_signal(number))
    assert "\x1b[32mcompleted" in found


async def _fill(database: Path) -> None:
    async with open_store(database) as store:
        standing = TrackedStatus(word="completed", phase=OrderPhase.COMPLETED)
        order = an_order(7, status=standing, task_name="Quay \x1b[2J")
        await store.orders.save(Verdict(order=order, wanted=(replace(RUNNING, task_id=7),)))


async def test_without_a_terminal_it_is_printed_once(database: Path, call: Call) -> None:
    await _fill(database)
    done = await asyncio.to_thread(call, "top")
    assert done.exit_code == 0
    with alive_file(database):
        beside = await asyncio.to_thread(call, "top")
    assert done.stdout.startswith("No daemon is running, and none has left a sign of life.\n")
    assert "0 stored\n" in done.stdout
    assert beside.stdout.startswith("1 order open · 1 delivery to come, 750.0 kB · 0 stored · all is well\n")
    assert "Quay \ufffd[2J" in done.stdout
    assert "scene-1.zip" in done.stdout
    assert "\x1b" not in done.stdout


def test_what_moved_names_the_file_and_tells_its_steps_in_one_row() -> None:
    states = (None, "wanted", "fetching", "stored")
    steps = [
        a_move(after, before=before, subject=Subject.DELIVERY, scene_id="s1", file="delivery_zip a.zip")
        for before, after in pairwise(states)
        if after
    ]
    (told,) = [line for line in shown(replace(GLANCE, moves=steps)) if "a.zip" in line]
    assert "delivery_zip a.zip  wanted → fetching → stored" in told
