"""Prefixes lines with their priority for the journal, which removes it again."""

import os
import sys

from structlog.typing import EventDict, Processor, WrappedLogger

_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}  # as in syslog(3)


def to_journal() -> bool:
    """Return whether stderr is the journal's stream and was not redirected since."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # closed, or not a file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


def marked(text: str, level: str) -> str:
    """Prefix each line with its priority: the journal reads single lines."""
    mark = f"<{_PRIORITIES.get(level, 6)}>"
    return "\n".join(mark + line for line in text.split("\n"))


class Marking:
    """A renderer that prefixes its lines with their priority."""

    def __init__(self, renderer: Processor) -> None:
        self._renderer = renderer

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        level = str(event.get("level"))
        return marked(str(self._renderer(logger, method, event)), level)
