"""What `status` prints, for people and for scripts."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import ANY

import pytest
from rich.console import Console
from tests.cli.conftest import Call
from tests.db.kit import MINUTE, NOW, a_delivery, an_order
from tests.db.many import NEEDY, ORDERS, many
from tests.patience import PATIENCE
from tests.terminals import shown_on

from orderwatch.cli.output.serializers import Known
from orderwatch.cli.output.tables import console, print_status, status_table
from orderwatch.core.model import (
    Capture,
    CapturePhase,
    DeliveryState,
    Order,
    OrderPhase,
    OrderState,
    TrackedStatus,
)
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.serializers import order_to_dict
from orderwatch.db.daemon_status import alive_file
from orderwatch.db.repositories import open_store
from orderwatch.ports import AccountState

CAPTURE = Capture(
    capture_id="capture-1", status=TrackedStatus(word="published", phase=CapturePhase.PUBLISHED), start=NOW
)
WAITING = a_delivery(state=DeliveryState.WAITING, not_before=NOW + 4 * MINUTE, reason="the host was busy")


def the_order(**more: object) -> Order:
    known = an_order(
        task_name="Quay",
        project_name="Harbour",
        last_seen_at=NOW - 3 * MINUTE,
        next_look_at=NOW + 12 * MINUTE,
        captures=(CAPTURE,),
        deliveries=(WAITING,),
    )
    return replace(known, **more)  # type: ignore[arg-type]  # fields of an order


def printed(order: Order, now: datetime | None) -> str:
    screen = Console(width=200, no_color=True, highlight=False)
    with screen.capture() as found:
        screen.print(status_table([order], now))
    return found.get()


def test_on_a_terminal_times_are_told_from_now() -> None:
    shown = printed(the_order(), NOW)
    assert "1 Harbour / Quay  in_progress  open, seen 3 min ago, next poll in 12 min" in shown
    assert "scene-1.zip (the host was busy; retry in 4 min)" in shown
    assert "UTC" not in shown


def test_elsewhere_times_are_told_as_they_are() -> None:
    shown = printed(the_order(), None)
    assert "open, seen 2026-11-22 11:57:00 UTC, next poll 2026-11-22 12:12:00 UTC" in shown
    assert "(the host was busy; retry 2026-11-22 12:04:00 UTC)" in shown


def test_an_order_that_a_whole_list_showed_later_was_seen_then() -> None:
    order = the_order(listed_at=NOW - MINUTE)
    assert "seen 1 min ago" in printed(order, NOW)
    assert order_to_dict(order)["last_seen_at"] == "2026-11-22T11:59:00Z"


def test_what_is_not_known_is_not_told() -> None:
    shown = printed(an_order(), NOW)
    assert shown.strip() == "1   in_progress  open"


def test_the_last_line_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    stored = [a_delivery(f"s{n}", state=DeliveryState.STORED) for n in range(2)]
    lost = an_order(2, state=OrderState.LOST, deliveries=(a_delivery(state=DeliveryState.GIVEN_UP),))
    print_status(Known([the_order(deliveries=(WAITING, *stored)), an_order(3), lost], {}), NOW)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "3 orders: 2 open, 1 lost · 4 deliveries: 2 stored, 1 waiting, 1 given up"
    )
    print_status(Known([the_order()], {}), NOW)
    assert capsys.readouterr().out.splitlines()[-1] == "1 order: 1 open · 1 delivery: 1 waiting"
    print_status(Known([an_order()], {}), NOW)
    assert capsys.readouterr().out.splitlines()[-1] == "1 order: 1 open"


@pytest.mark.parametrize("name", ["[bold]x[/]", "[/]", "x\x1b[2Jy", "a\nb", ":100:", "\\", "[red", "\u202ex"])
def test_names_of_the_provider_can_neither_drive_the_terminal_nor_our_markup(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    standing: TrackedStatus[OrderPhase] = TrackedStatus(word=name, phase=None)
    capture = replace(CAPTURE, satellite_name=name)
    wanted = replace(WAITING, reason=name, file_name=name)
    order = the_order(task_name=name, status=standing, captures=(capture,), deliveries=(wanted,))
    print_status(Known([order], {}), NOW)
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    visible = "".join(c if c.isprintable() else "\ufffd" for c in name)
    assert shown.count(visible) >= 4
    assert "\x1b" not in shown


def test_a_lost_order_is_not_said_to_be_seen() -> None:
    assert "lost, polled 3 min ago, next poll in 12 min" in printed(the_order(state=OrderState.LOST), NOW)


def test_two_names_cannot_make_markup_of_ours_together(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(Known([the_order(project_name="[/a", task_name="b]")], {}), NOW)
    assert "[/a / b]" in capsys.readouterr().out


def test_json_says_when_it_was_placed_and_looked_at_and_where_a_delivery_goes() -> None:
    order = the_order(placed_at=NOW, looked_at=NOW + MINUTE, deliveries=(replace(WAITING, root="/srv/east"),))
    facts = json.loads(json.dumps(order_to_dict(order)))
    assert (facts["placed_at"], facts["looked_at"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:01:00Z")
    (capture,) = facts["captures"]
    assert capture["deliveries"][0]["root"] == "/srv/east"


def test_an_empty_database_is_said_to_be_empty(call: Call, database: Path) -> None:
    assert database.exists()
    with alive_file(database):
        assert call("status").output == "no orders yet\n"
    assert json.loads(call("status", "--json").output) == {
        "daemon": {"running": False, "last_alive_at": ANY},
        "attention": [],
        "orders": [],
        "accounts": [],
        "intents": [],
        "problems": [],
        "pauses": [],
    }


def test_without_a_daemon_the_first_line_says_so_and_json_says_when_there_was_one(
    call: Call, database: Path
) -> None:
    none = "No daemon is running, and none has left a sign of life.\n"
    assert call("status").output == f"{none}no orders yet\n"
    assert json.loads(call("status", "--json").output)["daemon"] == {"running": False, "last_alive_at": None}
    with alive_file(database):
        running = json.loads(call("status", "--json").output)["daemon"]
        assert call("status", "--check").exit_code == 0
    assert running == {"running": True, "last_alive_at": ANY}
    alive = json.loads(call("status", "--json").output)["daemon"]["last_alive_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", alive)
    stopped = call("status", "--check")
    first = stopped.output.splitlines()[0]
    assert re.fullmatch(
        r"No daemon is running\. Last sign of life: (just now|.* ago) \(\d{4}-.* UTC\)\.", first
    )
    assert stopped.exit_code == 1


def test_a_daemon_that_hangs_fails_the_check(call: Call, database: Path) -> None:
    with alive_file(database):
        os.utime(database.with_name(f"{database.name}.alive"), (0, 0))
        checked = call("status", "--check")
    assert checked.output.startswith("The daemon is running but hangs.")
    assert checked.exit_code == 1


@pytest.mark.parametrize("command", ["status", "history", "explain"])
def test_an_order_that_is_not_known_is_an_error_that_says_what_to_do(
    call: Call, database: Path, command: str
) -> None:
    assert database.exists()
    done = call(command, "99")
    why = "no order with that id has been seen; orderwatch status lists the known ones"
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: order 99 is unknown: {why}\n"


async def test_filters_leave_out_orders_and_what_is_about_them(database: Path, call: Call) -> None:
    async with open_store(database) as store:
        await many(store, datetime.now(UTC))

    async def shown(*words: str) -> tuple[list[int], list[int]]:
        found = json.loads((await asyncio.to_thread(call, "status", "--json", *words)).output)
        return [o["task_id"] for o in found["orders"]], [c["task_id"] for c in found["attention"]]

    orders, attention = await shown("--attention")
    assert sorted(orders) == sorted(attention) == sorted(NEEDY)
    assert await shown("--attention", "--state", "lost") == ([133], [133])
    assert (await shown("--project", "Iron*", "--attention"))[0] == [n for n in NEEDY if n % 4 == 2]
    assert await shown("--attention", "1") == ([], [])
    for words in (("--project", "Nowhere"), ("--state", "done")):
        none = (await asyncio.to_thread(call, "status", *words)).output
        assert "no order matches" in none
        assert "no orders yet" not in none
    assert (await asyncio.to_thread(call, "acknowledge", "--all")).exit_code == 0
    assert "no order needs attention" in (await asyncio.to_thread(call, "status", "--attention")).output
    assert len((await shown("--account", "main"))[0]) == ORDERS
    assert (await asyncio.to_thread(call, "status", "--account", "nobody")).exit_code == 2


def test_an_accounts_trouble_stands_below_the_orders(capsys: pytest.CaptureFixture[str]) -> None:
    trouble = OpenCircuit(
        began_at=NOW,
        failures=3,
        until=NOW + MINUTE,
        refused=True,
        reason="contract [bold]c[/] is odd",
    )
    accounts = {"main": AccountState(None, trouble), "other": AccountState(NOW, None)}
    print_status(Known([], accounts), NOW)
    assert capsys.readouterr().out == (
        "no orders yet\n"
        "account main refused since 2026-11-22 12:00:00 UTC, 3 failures, next request "
        "2026-11-22 12:01:00 UTC: contract [bold]c[/] is odd\n"
    )


@pytest.mark.parametrize("colour", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_a_real_terminal_is_told_from_now_and_in_colours_unless_they_are_unwanted(
    database: Path, config: Path, *, colour: bool
) -> None:
    seen = datetime.now(UTC) - 3 * MINUTE - timedelta(seconds=5)
    standing = TrackedStatus(word="completed", phase=OrderPhase.COMPLETED)
    async with open_store(database) as store:
        order = an_order(status=standing, last_seen_at=seen, next_look_at=seen)
        await store.orders.save(Verdict(order=order))
    shown = await asyncio.to_thread(_on_a_terminal, config, {} if colour else {"NO_COLOR": "1"})
    assert "seen 3 min ago, next poll due 3 min ago" in shown
    assert ("\x1b[32mcompleted" in shown) is colour


def _on_a_terminal(config: Path, more: dict[str, str]) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORDERWATCH_", "FORCE_", "NO_", "TTY_"))}
    environment = {**kept, "TERM": "xterm-256color", "COLUMNS": "150", **more}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orderwatch", "--config", str(config), "status"]
    subprocess.run(command, stdout=theirs, stderr=theirs, env=environment, check=True, timeout=PATIENCE)
    os.close(theirs)
    return shown_on(ours)


def test_a_console_that_is_no_terminal_is_wide(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("x" * 190)
    assert capsys.readouterr().out == "x" * 190 + "\n"


async def test_geojson_cuts_at_180_and_leaves_out_what_is_invalid(database: Path, call: Call) -> None:
    rings = {
        1: [[179.5, -17], [-179.5, -17], [-179.5, -16], [179.5, -16], [179.5, -17]],
        2: [[10, 50], [11, 51], [11, 50], [10, 51], [10, 50]],  # crosses itself
    }
    async with open_store(database) as store:
        for task_id, ring in rings.items():
            document = {"target": {"type": "Polygon", "coordinates": [ring]}}
            await store.orders.save(Verdict(order=an_order(task_id, document=document)))
    (one,) = json.loads((await asyncio.to_thread(call, "status", "--geojson")).output)["features"]
    assert (one["geometry"]["type"], one["bbox"]) == ("MultiPolygon", [179.5, -17, -179.5, -16])


async def test_geojson_is_one_document_for_a_map_and_not_given_with_json(database: Path, call: Call) -> None:
    async with open_store(database) as store:
        for task_id in (1, 2):
            document = {"target": {"type": "Point", "coordinates": [task_id, 50]}}
            await store.orders.save(Verdict(order=an_order(task_id, document=document)))
    drawn = json.loads((await asyncio.to_thread(call, "status", "--geojson")).output)
    assert [one["geometry"]["coordinates"] for one in drawn["features"]] == [[1, 50], [2, 50]]
    (one,) = json.loads((await asyncio.to_thread(call, "status", "--geojson", "2")).output)["features"]
    assert one["properties"]["task_id"] == 2
    both = await asyncio.to_thread(call, "status", "--geojson", "--json")
    assert (both.exit_code, "cannot be combined" in both.stderr) == (2, True)
