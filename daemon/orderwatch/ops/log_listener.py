"""Every event of ours is heard here, at whatever level it is written."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, WrappedLogger

from orderwatch.ops.log import Redactor, plain_times

# Is given event, level and fields; called in whatever thread logs, so it must be quick and never wait.
Listener = Callable[[str, str, Mapping[str, object]], None]

_library = logging.getLogger(__name__)


class LogListener:
    """The first of the processors, before the level filter; hands on no secret."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._listeners: tuple[Listener, ...] = ()
        self._calling = threading.local()

    @contextmanager
    def heard_by(self, listener: Listener) -> Iterator[None]:
        """While this lasts the listener is told every event."""
        self._listeners = (*self._listeners, listener)
        try:
            yield
        finally:
            self._drop(listener)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if self._listeners and not getattr(self._calling, "now", False):  # a listener's own words are no news
            self._calling.now = True
            try:
                self._tell(logger, method, event)
            finally:
                self._calling.now = False
        return event

    def _tell(self, logger: WrappedLogger, method: str, event: EventDict) -> None:
        merged = structlog.contextvars.merge_contextvars(logger, method, dict(event))
        fields = dict(self._redactor(logger, method, plain_times(logger, method, merged)))
        name = str(fields.pop("event", ""))
        level = "error" if method == "exception" else method
        for listener in self._listeners:
            try:
                listener(name, level, fields)
            except Exception:  # noqa: BLE001 - a bug over there must not cost us the log
                self._drop(listener)
                _library.error("a listener failed and hears no more", exc_info=True)

    def _drop(self, listener: Listener) -> None:
        self._listeners = tuple(other for other in self._listeners if other != listener)
