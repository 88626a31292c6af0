"""The journal is told how urgent each line is; anybody else sees the line alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
import structlog
from tests.ops.test_ops_lines import logging_as_it_was
from tests.patience import PATIENCE

from orderwatch.ops.log import Redactor, redact_crash, set_up

__all__ = ["logging_as_it_was"]


@contextmanager
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """A file that stands for the journal's stream is stderr meanwhile."""
    with (tmp_path / "journal").open("w+") as stream, monkeypatch.context() as patched:
        found = os.fstat(stream.fileno())
        patched.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        patched.setattr(sys, "stderr", stream)
        yield stream


def written(stream: TextIO) -> list[str]:
    stream.flush()
    stream.seek(0)
    return stream.read().splitlines()


def test_each_level_has_its_priority_in_front_of_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with journal(tmp_path, monkeypatch) as stream:
        set_up("debug", "auto", Redactor())
        log = structlog.get_logger()
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(log, level)("an.event")
        lines = written(stream)
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert list(json.loads(lines[0][3:]))[:3] == ["timestamp", "level", "event"]


def test_every_line_of_a_traceback_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal(tmp_path, monkeypatch) as stream:
        set_up("info", "console", Redactor())
        structlog.get_logger().error("bug", exc_info=ValueError("no"))
        redact_crash(Redactor())
        sys.excepthook(ValueError, ValueError("first\nsecond"), None)
        lines = written(stream)
    assert len(lines) > 2
    assert {line[:3] for line in lines} == {"<3>", "<2>"}


@pytest.mark.parametrize("command", ["run", "once", "check"])
def test_an_error_that_keeps_a_command_from_starting_is_an_error_to_the_journal(
    tmp_path: Path, command: str
) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        found = os.fstat(stream.fileno())
        environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        asked = [sys.executable, "-m", "orderwatch", "--config", "/nowhere.toml", command]
        ended = subprocess.run(asked, stderr=stream, env=environment, check=False, timeout=PATIENCE)
        lines = written(stream)
    assert (ended.returncode, len(lines)) == (2, 1)
    assert lines[0].startswith("<3>orderwatch: /nowhere.toml: ")


def test_a_stderr_that_was_redirected_gets_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    set_up("info", "auto", Redactor())
    structlog.get_logger().info("an.event")
    assert capsys.readouterr().err.startswith("{")
