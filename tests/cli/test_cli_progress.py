"""Bars, on a real terminal."""

import os
import pty
import re
import sys
from collections.abc import Callable

import pytest
from tests.terminals import shown_on

from orderwatch.app.commands.progress import Progress
from orderwatch.cli.output.progress import shown


def work(progress: Progress) -> None:
    progress.begin(2, 4_000_000)
    progress.read(1_000_000)
    progress.file()


def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Stderr is one from here on; returns what closes it and tells what it showed."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    ours, theirs = pty.openpty()
    file = os.fdopen(theirs, "w", encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", file)

    def closed() -> str:
        file.close()
        return shown_on(ours)

    return closed


@pytest.mark.parametrize("colour", [True, False])
def test_a_bar_shows_files_and_bytes_and_lines_of_the_log_stand_above_it(
    monkeypatch: pytest.MonkeyPatch, *, colour: bool
) -> None:
    closed = terminal(monkeypatch)
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    with shown("fetching", "fetched") as progress:
        work(progress)
        sys.stderr.write("a line of the log\n")
    found = closed()
    assert "fetching 1 of 2 files" in found
    assert "1.0/4.0 MB" in re.sub(r"\x1b\[[\d;]*m", "", found)
    assert re.search(r"a line of the log *\r\n", found)
    assert bool(re.search(r"\x1b\[[\d;]*3[0-7]m|\x1b\[38;", found)) is colour


def test_where_facts_are_wanted_as_json_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = terminal(monkeypatch)
    with shown(plain=True) as progress:
        work(progress)
    assert closed() == ""


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with shown() as progress:
        work(progress)
    assert capsys.readouterr().err == ""
