"""`log` shows files and the journal, chosen by time, order and level."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Call

LINES = [
    {"timestamp": "2026-11-22T12:00:00Z", "level": "info", "event": "daemon.started", "version": "1"},
    {"timestamp": "2026-11-22T13:00:00Z", "level": "debug", "event": "provider.retrying", "tries": 1},
    {
        "timestamp": "2026-11-22T14:00:00Z",
        "level": "error",
        "event": "tree.unusable",
        "root": "/srv",
        "reason": "read-only",
    },
    "Traceback (most recent call last):",
    {"timestamp": "2026-11-22T15:00:00Z", "level": "info", "event": "order.done", "order_id": "7"},
]
TEXT = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in LINES)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TZ", "UTC")
    path = tmp_path / "daemon.log"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_file_is_told_in_sentences_and_foreign_lines_stay(call: Call, log: Path) -> None:
    shown = call("log", str(log)).output.splitlines()
    assert [line[21:] if line[0] == "2" else line for line in shown] == [
        "the daemon has started, version 1",
        "error: delivery root /srv is not writable: read-only",
        "Traceback (most recent call last):",
        "order 7 is done",
    ]
    assert "\x1b" not in "".join(shown)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--level", "debug"), 5),
        (("--level", "error"), 2),
        (("--order", "7"), 1),
        (("--order", "8"), 0),
        (("--since", "2026-11-22T14:30:00+00:00"), 1),
        (("--since", "2026-11-22T14:00:00+00:00"), 3),
        (("--since", "1s"), 0),
    ],
)
def test_lines_are_chosen(options: tuple[str, ...], count: int, call: Call, log: Path) -> None:
    assert len(call("log", str(log), *options).output.splitlines()) == count


def test_rotated_and_compressed_files_are_read_in_turn(call: Call, log: Path) -> None:
    older = log.with_name("daemon.log.1.gz")
    older.write_bytes(gzip.compress(TEXT.encode() + b"\xff\xfe cut off"))
    assert len(call("log", str(older), str(log)).output.splitlines()) == 9
    older.write_bytes(older.read_bytes()[:-20])
    broken = call("log", str(older), str(log))
    assert (broken.exit_code, "is cut off or damaged" in broken.stderr) == (1, True)
    missing = call("log", str(log.with_name("none")))
    assert (missing.exit_code, "No such file" in missing.stderr) == (1, True)
    assert call("log", str(log), "--since", "whenever").exit_code == 2


def test_the_journal_is_asked_for_the_unit_and_the_time(
    call: Call, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = log.with_name("journalctl")
    program.write_text(f'#!/bin/sh\necho "$@" > {log}.asked\ncat {log}\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
    done = call("log", "-u", "other", "--user", "--since", "2026-11-22T14:00:00+00:00")
    assert len(done.output.splitlines()) == 3
    asked = Path(f"{log}.asked").read_text(encoding="utf-8").split()
    assert asked == [
        "--no-pager",
        "--quiet",
        "-o",
        "cat",
        "-n",
        "all",
        "-u",
        "other",
        "--user",
        "--since=@1795356000",
    ]
    program.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    assert call("log").exit_code == 1
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "journalctl is not installed" in call("log").stderr


@pytest.mark.long
def test_what_is_appended_is_shown_also_after_a_rotation(log: Path) -> None:
    command = [sys.executable, "-m", "orderwatch", "log", "-f", "--order", "7", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith("order 7 is done\n")
        facts = {"level": "info", "event": "delivery.stored", "order_id": "7", "path": "a.zip", "size": 5}
        later = json.dumps({"timestamp": "2026-11-22T16:00:00Z", **facts})
        with log.open("a", encoding="utf-8") as file:
            file.write(later[:20])
            file.flush()
            file.write(f"{later[20:]}\n")
        assert process.stdout.readline().endswith("order 7: stored a.zip, 5 B\n")
        log.rename(log.with_name("daemon.log.1"))
        log.write_text(f"{later}\n", encoding="utf-8")
        assert process.stdout.readline().endswith("order 7: stored a.zip, 5 B\n")
        process.terminate()
