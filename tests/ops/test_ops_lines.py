"""The lines that reach stderr: ours and those of the libraries through one pipe."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
import structlog

from orderwatch.ops.log import Redactor, redact_crash, set_up

CANARY = "canary-7f3a"
SIGNED = "https://files.example/x.zip?sig=signed-9c1e"
_TOUCHED = ("", "apscheduler", "asyncio", "alembic", "aiohttp.access")


class AnswerError(Exception):
    """As those of HTTP libraries: the text quotes the URL."""

    def __init__(self, url: str) -> None:
        super().__init__(f"503, message='Service Unavailable', url={url!r}")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in _TOUCHED}
    hook = sys.excepthook
    yield
    sys.excepthook = hook
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


def speaking(form: Literal["auto", "json", "console"] = "json") -> Redactor:
    """From here on log lines reach the stderr that `capsys` reads."""
    redactor = Redactor()
    redactor.learn(CANARY)
    set_up("info", form, redactor)
    return redactor


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def broken() -> AnswerError:
    """An exception caught where another was raised because of a third."""
    try:
        try:
            raise ConnectionError(f"refused by {SIGNED}")  # noqa: TRY301 - the chain is the point
        except ConnectionError as cause:
            raise AnswerError(SIGNED) from cause
    except AnswerError as error:
        return error


def test_a_line_is_json_that_begins_with_time_level_and_event(capsys: pytest.CaptureFixture[str]) -> None:
    speaking()
    structlog.get_logger().warning("order.look_failed", task_id=23272, reason="cut\nhere", not_before=None)
    (text,) = capsys.readouterr().err.splitlines()
    line = json.loads(text)
    assert list(line) == ["timestamp", "level", "event", "task_id", "reason"]
    assert (line["level"], line["event"], line["task_id"]) == ("warning", "order.look_failed", 23272)
    assert line["timestamp"].endswith("Z")
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == datetime.now(UTC).utcoffset()


def test_times_of_ours_are_written_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    speaking()
    structlog.get_logger().info("delivery.waiting", not_before=datetime(2026, 11, 22, 12, tzinfo=UTC))
    (line,) = lines(capsys)
    assert line["not_before"] == "2026-11-22T12:00:00Z"


def test_bound_fields_are_on_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    speaking()
    with structlog.contextvars.bound_contextvars(account="main"):
        structlog.get_logger().info("order.changed", task_id=1)
    (line,) = lines(capsys)
    assert (line["account"], line["task_id"]) == ("main", 1)


def test_what_is_below_the_level_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    speaking()
    structlog.get_logger().debug("pace.slower")
    logging.getLogger("some.library").debug("chatter")
    logging.getLogger("asyncio").info("chatter")
    assert lines(capsys) == []


def test_what_a_library_says_goes_through_the_same_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    speaking()
    logging.getLogger("aiohttp.client").warning("GET %s with %s", SIGNED, {"secret": CANARY})
    (line,) = lines(capsys)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["level"], line["event"], line["library"]) == ("warning", "library.said", "aiohttp.client")
    assert line["detail"] == "GET https://files.example/x.zip?… with {'secret': '…'}"
    assert line["timestamp"].endswith("Z")


def test_tracebacks_of_ours_and_of_libraries_hold_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    speaking()
    error = broken()
    group = ExceptionGroup(f"two with {CANARY}", [error, ValueError(f"Bearer {CANARY}-more")])
    structlog.get_logger().error("bug", exc_info=group)
    structlog.get_logger().error("bug", error=error, cause=error.__cause__)
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=error)
    logging.getLogger("asyncio").error("where", stack_info=True)
    err = capsys.readouterr().err
    assert CANARY not in err
    assert "signed-9c1e" not in err
    first, second, third, fourth = map(json.loads, err.splitlines())
    for line in (first, third):
        assert "Traceback" in line["exception"]
        assert "ConnectionError: refused by https://files.example/x.zip?…" in line["exception"]
    assert second["error"] == "503, message='Service Unavailable', url='https://files.example/x.zip?…'"
    assert "test_ops_lines.py" in fourth["stack_info"]


def test_the_console_hides_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    speaking("console")
    structlog.get_logger().error("bug", link=SIGNED, secret=CANARY, exc_info=broken())
    logging.getLogger("some.library").error("said %s", CANARY, exc_info=broken())
    err = capsys.readouterr().err
    assert "library.said" in err
    assert "AnswerError" in err
    assert CANARY not in err
    assert "signed-9c1e" not in err
    assert "\x1b[" not in err


def test_the_console_shows_control_characters_as_marks(capsys: pytest.CaptureFixture[str]) -> None:
    speaking("console")
    name = "\x1b[2Jquay\x07\nforged line\u202e"
    structlog.get_logger().error("order.changed", task_name=name, exc_info=ValueError(name))
    logging.getLogger("some.library").error("said %s", name)
    err = capsys.readouterr().err
    assert "\ufffd[2Jquay\ufffd\ufffdforged line\ufffd" in err
    assert not set("\x1b\x07\u202e") & set(err)
    assert "ValueError: " in err.splitlines()[1]


def test_without_a_terminal_the_format_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    speaking("auto")
    structlog.get_logger().info("daemon.started")
    assert [line["event"] for line in lines(capsys)] == ["daemon.started"]


def test_the_traceback_of_a_bug_reaches_stderr_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    redact_crash(speaking())
    error = broken()
    error.add_note(f"while holding {CANARY}")
    sys.excepthook(type(error), error, error.__traceback__)
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert "while holding …" in err
    assert "signed-9c1e" not in err


def test_text_and_keys_of_any_kind_are_still_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    speaking()
    structlog.get_logger().info("order.changed", task_name="\u2028 \0 Köln", rows={(1, 2): {3}})
    (line,) = capsys.readouterr().err.split("\n")[:-1]
    assert json.loads(line)["rows"] == {"(1, 2)": "{3}"}
