"""Who listens to our own events hears all of them, and can break nothing."""

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest
import structlog

from orderwatch.ops.log import Redactor, set_up
from orderwatch.ops.log_listener import LogListener

CANARY = "canary-7f3a"
Heard = list[tuple[str, str, Mapping[str, object]]]

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def tapped() -> LogListener:
    """From here on lines of level "warning" reach the stderr that `capsys` reads, through a tap."""
    redactor = Redactor()
    redactor.learn(CANARY)
    log_listener = LogListener(redactor)
    set_up("warning", "json", redactor, [log_listener])
    return log_listener


def test_an_end_is_heard_though_its_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log_listener = tapped()
    heard: Heard = []
    with log_listener.forwarding_to(lambda *told: heard.append(told)):
        log.info("account.recovered", account="main")
    log.info("account.recovered", account="later")
    assert heard == [("account.recovered", "info", {"account": "main"})]
    assert capsys.readouterr().err == ""


def test_listeners_are_told_no_secret() -> None:
    log_listener = tapped()
    heard: Heard = []
    with log_listener.forwarding_to(lambda *told: heard.append(told)):
        log.warning(
            "list.failed", reason=f"https://h.example/x?sig=1 {CANARY}", at=datetime(2026, 1, 1, tzinfo=UTC)
        )
    ((_, _, fields),) = heard
    assert fields == {"reason": "https://h.example/x?… …", "at": "2026-01-01T00:00:00Z"}


def test_what_libraries_say_is_not_heard() -> None:
    log_listener = tapped()
    heard: Heard = []
    with log_listener.forwarding_to(lambda *told: heard.append(told)):
        logging.getLogger("some.library").error("chatter")
    assert heard == []


def test_a_listener_that_fails_costs_no_line_and_no_other_listener(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_listener = tapped()
    heard: Heard = []

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with log_listener.forwarding_to(fail), log_listener.forwarding_to(lambda *told: heard.append(told)):
        log.warning("first.event")
        log.warning("second.event")
    written = capsys.readouterr().err
    assert [event for event, _, _ in heard] == ["first.event", "second.event"]
    assert written.count("a listener failed") == 1
    assert '"first.event"' in written
    assert '"second.event"' in written


def test_a_listener_that_logs_hears_not_itself(capsys: pytest.CaptureFixture[str]) -> None:
    log_listener = tapped()
    heard: list[str] = []

    def loud(event: str, _level: str, _fields: Mapping[str, object]) -> None:
        heard.append(event)
        log.warning("its.own")

    with log_listener.forwarding_to(loud):
        log.warning("first.event")
    assert heard == ["first.event"]
    assert "its.own" in capsys.readouterr().err
