"""The words of ordering: the table before, the question, how each end is told."""

import asyncio
import io
import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from tests.app.ordering_kit import order_toml
from tests.cli.conftest import Call
from tests.core.samples import DAY, NOON, seen_order
from tests.db.kit import NOW
from tests.patience import PATIENCE
from tests.terminals import shown_on

from orderwatch.app.commands.place_orders import PlaceRequest, PlaceResult
from orderwatch.cli.ordering.cancel import _problem, _result
from orderwatch.cli.ordering.common import ask, result_line, result_to_dict
from orderwatch.cli.ordering.order_file import print_orders
from orderwatch.cli.output.serializers import Known
from orderwatch.cli.output.tables import print_status
from orderwatch.core.attention.attention import concerns
from orderwatch.core.attention.concern import Evidence, Scope
from orderwatch.core.ordering.intent import Intent, IntentState
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import Request
from orderwatch.errors import UnavailableError
from orderwatch.ops.actor import current_actor
from orderwatch.service.ordering.canceller import CancelResult
from orderwatch.service.ordering.placer import PlaceOutcome
from orderwatch.simulator import Simulator, serve
from orderwatch.simulator.scenario import Scenario

ACT = Provenance(who="ann@desk", source="orders.toml")
REQUEST = Request(
    task_name="Quay 5",
    project_name="Harbour",
    product=169,
    target={"type": "Point", "coordinates": [-4.0333, -51.9555]},
    start=NOON,
    end=NOON + 30 * DAY,
)
RING = [[4.0, 51.0], [5.0, 51.0], [5.0, 52.0], [4.0, 52.0], [4.0, 51.0]]
AREA = replace(
    REQUEST, task_name="Roads", product=178, target={"type": "Polygon", "coordinates": [RING]}, max_captures=4
)


def intent(state: IntentState = IntentState.PLACED, **more: Any) -> Intent:  # noqa: ANN401 - of any field
    placed = state is IntentState.PLACED
    ids = {"order_id": "41" if placed else None, "task_id": 41 if placed else None}
    facts = {"request": REQUEST, **ids, **more}
    return Intent(
        account="main", provenance=ACT, written_at=NOON, sent_at=NOON, state=state, **{"sends": 1, **facts}
    )


def test_the_table_shows_what_is_about_to_be_ordered_and_what_was_meant_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    requests = [REQUEST, AREA, REQUEST, REQUEST, REQUEST, REQUEST]
    asked = [PlaceRequest("main", request, ACT) for request in requests]
    before = [
        None,
        intent(),
        intent(IntentState.REFUSED),
        intent(IntentState.UNSENT),
        intent(IntentState.FORGOTTEN),
        intent(IntentState.UNCLEAR, ended_at=NOON),
    ]
    print_orders(asked, before)
    point, area, *others = (_cells(line) for line in capsys.readouterr().out.splitlines()[1:])
    assert point == [
        "Quay 5",
        "Harbour",
        "main",
        "169",
        "51.95550 S 4.03330 W",
        "2026-11-22 12:00 to 2026-12-22 12:00",
        "any",
        "new",
    ]
    assert area[4:] == [
        "area from 51.00000 N 4.00000 E to 52.00000 N 5.00000 E",
        "2026-11-22 12:00 to 2026-12-22 12:00",
        "at most 4",
        "placed as 41",
    ]
    assert [cells[-1] for cells in others] == [
        "refused before",
        "unsent before",
        "forgotten before",
        "unconfirmed since 2026-11-22 12:00:00 UTC",
    ]


def _cells(line: str) -> list[str]:
    return [cell for cell in map(str.strip, line.split("  ")) if cell]


@pytest.mark.parametrize("name", ["[bold]x[/]", "x\x1b[2Jy", "\u202ex"])
def test_names_drive_neither_the_terminal_nor_our_markup(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    request = replace(REQUEST, task_name=name, project_name=name)
    print_orders([PlaceRequest(name, request, ACT)], [None])
    unclear = intent(IntentState.UNCLEAR, request=request, reason=name)
    scope = Scope(accounts=["main"], is_watched=lambda *_: True, knows=lambda *_: True)
    (concern,) = concerns(Evidence(intents=[unclear]), NOW, scope)
    print_status(Known([], {}, attention=[concern]), NOW)
    shown = capsys.readouterr().out
    visible = "".join(c if c.isprintable() else "\ufffd" for c in name)
    assert shown.count(visible) == 5
    assert "\x1b" not in shown
    assert "\u202e" not in result_line(PlaceOutcome(unclear))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (PlaceOutcome(intent(), fresh=True), '"Quay 5" is placed, as order 41'),
        (
            PlaceOutcome(intent(ended_at=NOON), fresh=True),
            '"Quay 5" is placed, as order 41: the response was lost, but the provider\'s list shows it',
        ),
        (
            PlaceOutcome(intent(sends=0), fresh=True),
            (
                '"Quay 5" is already at the provider, as order 41, placed earlier or elsewhere: '
                "nothing was sent, and it is watched now; --again places a duplicate"
            ),
        ),
        (
            PlaceOutcome(intent(), status="received"),
            (
                '"Quay 5" was already placed, as order 41, on 2026-11-22 12:00:00 UTC by ann@desk '
                "(received): nothing was sent; --again places a duplicate"
            ),
        ),
        (
            PlaceOutcome(intent(IntentState.REFUSED, reason="no credit")),
            '"Quay 5" was rejected, nothing was ordered: no credit',
        ),
        (
            PlaceOutcome(intent(IntentState.UNSENT, reason="no route")),
            '"Quay 5" could not be sent, nothing was ordered: no route',
        ),
        (
            PlaceOutcome(intent(IntentState.ABSENT)),
            (
                '"Quay 5" was sent, but not accepted: two complete lists of the provider lack it; '
                "run the same command with --resume to send it again"
            ),
        ),
        (
            PlaceOutcome(intent(IntentState.UNCLEAR, reason="cut")),
            (
                '"Quay 5" may or may not be placed, and is not sent again: cut; run the same command with '
                "--resume to find out, and to send it again if it was not accepted"
            ),
        ),
    ],
    ids=["placed", "found", "elsewhere", "already", "refused", "unsent", "absent", "unclear"],
)
def test_each_end_is_shown_with_what_to_do(outcome: PlaceOutcome, words: str) -> None:
    assert result_line(outcome) == words


def test_an_order_that_was_not_even_meant_yet_has_its_facts() -> None:
    facts = result_to_dict(
        PlaceResult(PlaceRequest("main", REQUEST, ACT), None, UnavailableError("tasking: 503"))
    )
    assert (facts["state"], facts["task_id"], facts["sends"], facts["fresh"]) == (None, None, 0, False)
    assert facts["reason"] == "tasking: 503"


@pytest.mark.parametrize(
    ("done", "words", "problem"),
    [
        (CancelResult(seen_order("canceled"), sent=True), 'order 23272 "Quay" is canceled', None),
        (
            CancelResult(seen_order("in_progress"), sent=True),
            'the provider accepted the request to cancel order 23272 "Quay"; its status is in_progress',
            None,
        ),
        (
            CancelResult(seen_order("canceled"), sent=True, lost="cut"),
            'order 23272 "Quay" is canceled: the response was lost, but the provider shows it',
            None,
        ),
        (
            CancelResult(seen_order("canceled"), sent=False),
            'order 23272 "Quay" is already canceled: nothing was sent',
            None,
        ),
        (
            CancelResult(seen_order("in_progress"), sent=True, lost="cut"),
            None,
            (
                'order 23272 "Quay" may be cancelled: the response was lost (cut), and its status is '
                "in_progress; check again with `orderwatch cancel 23272`"
            ),
        ),
        (
            CancelResult(seen_order("completed"), sent=False),
            None,
            'order 23272 "Quay" is already completed: there is nothing to cancel, nothing was sent',
        ),
    ],
)
def test_each_end_of_a_cancellation_is_shown(
    done: CancelResult, words: str | None, problem: str | None
) -> None:
    assert _problem(done) == problem
    if words is not None:
        assert _result(done) == words


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(click.UsageError, match="nothing was sent: no terminal for confirmation; use --yes"):
        ask("Place this order?")


def test_only_a_yes_goes_on_and_the_question_does_not_stand_in_the_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for answer in ("n", "", "N"):
        monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
        with pytest.raises(SystemExit) as end:
            ask("Place this order?")
        assert end.value.code == 1
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    ask("Place this order?")
    printed = capsys.readouterr()
    assert printed.err.count("Place this order? [y/N]: ") == 4
    assert printed.err.count("nothing was sent") == 3
    assert printed.out.strip() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_acts_is_known_behind_sudo_and_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    assert current_actor().startswith("ann@")
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_007)
    assert current_actor().startswith("2000000007@")


@pytest.mark.parametrize(
    ("file", "words"), [("", "Is a directory"), ("none.toml", "No such file or directory")]
)
def test_a_file_that_cannot_be_read_is_a_usage_error(
    call: Call, tmp_path: Path, file: str, words: str
) -> None:
    ended = call("place", str(tmp_path / file), "--yes")
    assert ended.exit_code == 2
    assert words in ended.output


@pytest.mark.usefixtures("database")
async def test_at_a_terminal_a_no_sends_nothing_and_a_file_may_come_from_a_pipe(config: Path) -> None:
    async with serve(Scenario()) as simulator:
        file = _prepared(config, simulator)
        code, shown = await asyncio.to_thread(_answered, config, "n", file)
        assert code == 1
        assert "Quay 5" in shown
        assert "Place this order? [y/N]: nothing was sent\r\n" in shown
        assert simulator.journal.count(method="POST", path="/tasking/tasks/") == 0
        ended = await asyncio.to_thread(_piped, config, file)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert '"Quay 5" is placed, as order 32082' in ended.stdout


def _prepared(config: Path, simulator: Simulator) -> str:
    """Our account becomes one of the simulator's; returns a file of orders."""
    _, rest = config.read_text(encoding="utf-8").split("[[watch]]")
    config.write_text(f"{simulator.config_toml()}[[watch]]{rest}", encoding="utf-8")
    file = config.with_name("orders.toml")
    file.write_text(order_toml(), encoding="utf-8")
    return str(file)


def _command(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "orderwatch", "--config", str(config), *words]


def _environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORDERWATCH_", "FORCE_", "TTY_"))}
    return kept | more


def _piped(config: Path, file: str) -> subprocess.CompletedProcess[str]:
    command = _command(config, "place", "-", "--yes")
    content = Path(file).read_text(encoding="utf-8")
    return subprocess.run(
        command,
        input=content,
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=PATIENCE,
        check=False,
    )


def _answered(config: Path, answer: str, file: str) -> tuple[int, str]:
    """`place` on a terminal where somebody types this; its exit code and what the terminal shows."""
    environment = _environment(TERM="xterm-256color", COLUMNS="200", NO_COLOR="1")
    ours, theirs = pty.openpty()
    command = _command(config, "place", file)
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.write(ours, f"{answer}\n".encode())
    os.close(theirs)
    shown = shown_on(ours)
    return process.wait(60), shown
