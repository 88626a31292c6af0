"""Bars, on a real terminal."""

import os
import pty
import re
import sys

import pytest
from tests.terminals import shown_on

from orderwatch.cli.progress import shown


@pytest.mark.parametrize("colour", [True, False])
def test_a_bar_shows_files_and_bytes_and_lines_of_the_log_stand_above_it(
    monkeypatch: pytest.MonkeyPatch, *, colour: bool
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with shown("fetching", "fetched") as progress:
            progress.begin(2, 4_000_000)
            progress.read(1_000_000)
            progress.file()
            sys.stderr.write("a line of the log\n")
    found = shown_on(ours)
    assert "fetching 1 of 2 files" in found
    assert "1.0/4.0 MB" in re.sub(r"\x1b\[[\d;]*m", "", found)
    assert re.search(r"a line of the log *\r\n", found)
    assert bool(re.search(r"\x1b\[[\d;]*3[0-7]m|\x1b\[38;", found)) is colour
