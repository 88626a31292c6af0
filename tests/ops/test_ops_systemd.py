"""Telling the service manager."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from orderwatch.cli import main
from orderwatch.ops import systemd
from orderwatch.ops.systemd import notify


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)  # noqa: FBT003 - the library's own way to say it
        yield listener


def test_the_lines_arrive_as_one_datagram_over_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
    with listening(f"{tmp_path}/notify") as listener:
        notify("READY=1", "STATUS=Köln: 3 orders")
        assert listener.recv(4096).decode() == "READY=1\nSTATUS=Köln: 3 orders"


def test_an_abstract_socket_is_reached_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"orderwatch-{uuid4()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with listening(f"\0{name}") as listener:
        notify("WATCHDOG=1")
        assert listener.recv(4096) == b"WATCHDOG=1"


def test_one_who_does_not_listen_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_NOTIFY_TIMEOUT_SECONDS", 0.001)
    with listening(f"{tmp_path}/notify"):
        monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
        for _ in range(1 + int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) * 2):
            notify("WATCHDOG=1")


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify", "@nobody-listens-here", "/" + "x" * 300])
def test_without_a_listener_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str | None
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """The lines of the next datagram."""
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
    with listening(f"{tmp_path}/notify") as listener:
        yield lambda: listener.recv(4096).decode().split("\n")


def test_a_status_is_one_line_whatever_it_holds(told: Callable[[], list[str]]) -> None:
    systemd.set_status("3 orders\nREADY=1")
    assert told() == ["STATUS=3 orders\ufffdREADY=1"]


def test_a_failing_end_says_its_number_and_its_reason(told: Callable[[], list[str]]) -> None:
    systemd.failing(22, "config.toml: watch: missing")
    assert told() == ["ERRNO=22", "STATUS=config.toml: watch: missing"]


def test_more_time_is_asked_for_in_microseconds(told: Callable[[], list[str]]) -> None:
    systemd.extend(1.5)
    assert told() == ["EXTEND_TIMEOUT_USEC=1500000"]


def test_a_reload_says_when_it_began_by_the_steady_clock(told: Callable[[], list[str]]) -> None:
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    first, second = told()
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("60000000", "{own}", 60.0),
        ("250000", "", 0.25),
        ("60000000", "1", None),  # it is waited for from another process
        ("0", "", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_the_watchdog_waits_for_this_process_or_for_none(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", pid.format(own=os.getpid()))
    assert systemd.watchdog_seconds() == seconds


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["run"], ["ERRNO=22", "STATUS=/nowhere/config.toml: cannot be read: No such file or directory"]),
        (["check"], []),
    ],
)
def test_the_manager_is_told_why_the_daemon_ends_and_of_no_other_command(
    told: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    lines: list[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["orderwatch", "--config", "/nowhere/config.toml", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the handlers of this very process stay
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    if lines:
        assert told() == lines
    else:
        with pytest.raises(BlockingIOError):
            told()
