"""Structured logs: one event per line on stderr, with secrets redacted."""

import json
import logging
import os
import re
import sys
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.formatting import printable
from orderwatch.ops import systemd
from orderwatch.ops.journal_priority import Marking, marked, to_journal

_USER = re.compile(r"(://)[^\s/?#@\"'<>]*@")
_QUERY = re.compile(r"(://[^\s?#\"'<>]*|(?=\?[\w.%-]+=))\?[^\s\"'<>]*")
_TOKEN = re.compile(
    r"(?i)(\bbearer|token[\"']?\s?=|token[\"']\s?:|client_secret[\"']?\s?[=:])\s*[\"']?[\w.~+/=%-]+"
)
_MIN_SECRET_LENGTH = 6  # shorter ones would hide ordinary words
_MAX_TOKENS = 1000
_TRACEBACKS = ("exception", "stack", "stack_info")


class Redactor:
    """Removes registered secrets, URL queries and bearer tokens from everything logged."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._tokens: deque[str] = deque(maxlen=_MAX_TOKENS)
        self._hidden: list[str] = []

    def learn(self, secret: str) -> None:
        """Redact this text in every log line from now on."""
        self._secrets.add(secret)
        self._rank()

    def learn_token(self, token: str) -> None:
        """Redact a token until many newer ones have replaced it."""
        self._tokens.append(token)
        self._rank()

    def clean(self, text: str) -> str:
        for secret in self._hidden:
            text = text.replace(secret, "…")
        return _TOKEN.sub(r"\1…", _QUERY.sub(r"\1?…", _USER.sub(r"\1…@", text)))

    def _rank(self) -> None:
        known = {text for text in (*self._secrets, *self._tokens) if len(text) >= _MIN_SECRET_LENGTH}
        self._hidden = sorted(known, key=len, reverse=True)  # longest first: one may be part of another

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        del logger, method
        return {key: self._cleaned(value) for key, value in event.items()}

    def _cleaned(self, value: object) -> object:
        match value:
            case str():
                return self.clean(value)
            case Mapping():
                return {self.clean(str(key)): self._cleaned(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self._cleaned(inner) for inner in value]
            case None | int() | float() | logging.LogRecord():
                return value
            case _:
                return self.clean(str(value))  # as the line would show it


def set_up(
    level: str,
    form: Literal["auto", "json", "console"],
    redactor: Redactor,
    log_listeners: Sequence[Processor] = (),
) -> None:
    """Send our events and those of the libraries to stderr.

    `log_listeners` receive every event of ours, including those below the level.
    """
    pipe: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        plain_times,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.format_exc_info,
        redactor,
    ]
    structlog.configure(
        processors=[
            *log_listeners,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *pipe,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_foreign, *pipe],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(form)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # botocore and aiobotocore log signed headers.
    for chatty in (
        *("apscheduler", "asyncio", "alembic", "aiohttp.access", "aiosqlite"),
        *("botocore", "aiobotocore"),
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def redact_crash(redactor: Redactor) -> None:
    """Redact the traceback of an unexpected exception from now on."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        report = redactor.clean("".join(traceback.format_exception(kind, error, trace)))
        text = printable(report, keep="\n").rstrip("\n")
        sys.stderr.write((marked(text, "critical") if to_journal() else text) + "\n")
        systemd.set_status(f"ended by a bug ({kind.__name__}); the log has its traceback")

    sys.excepthook = hook


def _renderers(form: str) -> list[Processor]:
    terminal = sys.stderr.isatty() and "JOURNAL_STREAM" not in os.environ
    mark = Marking if to_journal() else _unmarked
    if form == "console" or (form == "auto" and terminal):
        colors = terminal and "NO_COLOR" not in os.environ
        return [_printable, mark(structlog.dev.ConsoleRenderer(colors=colors))]
    return [mark(_json_line)]


def _unmarked(renderer: Processor) -> Processor:
    return renderer


def _printable(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Escape control characters for people; only tracebacks keep several lines."""
    del logger, method
    return {
        key: printable(value, keep="\n" if key in _TRACEBACKS else "") if isinstance(value, str) else value
        for key, value in event.items()
    }


def _json_line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    del logger, method
    lead = {key: event.pop(key, None) for key in ("timestamp", "level", "event")}
    facts = {key: value for key, value in event.items() if value is not None}
    try:
        return orjson.dumps({**lead, **facts}, default=str).decode()
    except TypeError:  # a lone surrogate, or a number too large
        return json.dumps({**lead, **facts}, default=str, ensure_ascii=False)


def plain_times(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    del logger, method
    return {key: zulu(value) if isinstance(value, datetime) else value for key, value in event.items()}


def _foreign(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Turn a library's message into the detail of one event: event names are a closed set."""
    del method
    record = event.get("_record")
    name = record.name if record is not None else getattr(logger, "name", "")
    return {**event, "event": "library.said", "library": name, "detail": event.get("event")}
