"""`verify` and `rebuild` as they are printed."""

import io
import json
import os
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from tests.cli.conftest import Call
from tests.databases import new_database

from orderwatch.cli.output.progress import Bar, Lines


def test_without_a_database_there_is_nothing_to_compare_with(call: Call) -> None:
    assert "there is no database" in str(call("verify").exception)


def test_an_untouched_tree_is_all_as_stored(call: Call, tmp_path: Path) -> None:
    new_database(tmp_path)
    done = call("verify")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "read 0 files, 0 B: all as stored\n", "")


def test_names_that_are_no_text_can_be_told_all_the_same(call: Call, tmp_path: Path) -> None:
    new_database(tmp_path)
    (tmp_path / "tree").mkdir()
    Path(os.fsdecode(bytes(tmp_path / "tree" / "caf") + b"\xe9\x1b[2J")).touch()
    done = call("verify")
    told = f"orphan: {tmp_path}/tree/caf\\xe9\ufffd[2J: no delivery has this name"
    assert (done.exit_code, done.stderr) == (1, f"orderwatch: {told}\n")
    assert done.stdout == "read 0 files, 0 B: 1 finding: 1 orphan\n"
    (finding,) = json.loads(call("verify", "--json").stdout)["findings"]
    assert (finding["kind"], finding["task_id"], finding["repair"]) == ("orphan", None, None)
    assert finding["path"] == "caf\\xe9\x1b[2J"


def test_a_rebuild_says_how_much_it_knows_and_to_verify(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tree" / ".orderwatch").mkdir(parents=True)
    done = call("rebuild")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{tmp_path}/orderwatch.db contains 0 orders with 0 stored files, 0 B")
    assert "run orderwatch verify" in done.stdout


def test_a_long_reading_is_told_seldom_where_nobody_watches() -> None:
    said: list[str] = []
    now = [0.0]
    lines = Lines(said.append, lambda: now[0])
    lines.begin(9, 4_000_000)
    for second in (1, 59, 60, 61, 119, 121):
        now[0] = second
        lines.read(500_000)
        lines.file()
    assert said == [
        "orderwatch: read 2 of 9 files, 1.5 MB of 4.0 MB",
        "orderwatch: read 5 of 9 files, 3.0 MB of 4.0 MB",
    ]


def test_on_a_terminal_a_bar_shows_how_far_it_is() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True)
    with Progress(console=screen) as progress:
        bar = Bar(progress)
        bar.begin(3, 4_000_000)
        bar.read(1_000_000)
        bar.file()
        (task,) = progress.tasks
    assert (task.description, task.total, task.completed) == ("reading 1 of 3 files", 4_000_000, 1_000_000)
