"""Forwards every logged event to listeners, whatever its level."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, WrappedLogger

from orderwatch.ops.log import Redactor, plain_times

# Receives event, level and fields in the thread that logs: it must be quick and never block.
Listener = Callable[[str, str, Mapping[str, object]], None]

_library = logging.getLogger(__name__)


class LogListener:
    """The first log processor, before the level filter; forwards events with secrets redacted."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._listeners: tuple[Listener, ...] = ()
        self._calling = threading.local()

    @contextmanager
    def forwarding_to(self, listener: Listener) -> Iterator[None]:
        """Forward every event to `listener` until the context ends."""
        self._listeners = (*self._listeners, listener)
        try:
            yield
        finally:
            self._drop(listener)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if self._listeners and not getattr(self._calling, "now", False):  # not what listeners log
            self._calling.now = True
            try:
                self._forward(logger, method, event)
            finally:
                self._calling.now = False
        return event

    def _forward(self, logger: WrappedLogger, method: str, event: EventDict) -> None:
        merged = structlog.contextvars.merge_contextvars(logger, method, dict(event))
        fields = dict(self._redactor(logger, method, plain_times(logger, method, merged)))
        name = str(fields.pop("event", ""))
        level = "error" if method == "exception" else method
        for listener in self._listeners:
            try:
                listener(name, level, fields)
            except Exception:  # noqa: BLE001 - a bug in a listener must not stop the log
                self._drop(listener)
                _library.error("a listener failed and was removed", exc_info=True)

    def _drop(self, listener: Listener) -> None:
        self._listeners = tuple(other for other in self._listeners if other != listener)
