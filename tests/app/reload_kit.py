"""A daemon in this process that reads its configuration again."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from tests.app.app_rig import Rig

from orderwatch.config import Settings, load


def reread(rig: Rig) -> Settings:
    return load(rig.config, {}, resolve=True)


@contextmanager
def guarded() -> Iterator[None]:
    """A signal that comes late ends nothing, and what is logged is as before in the end."""
    root = logging.getLogger()
    level, handlers, before = root.level, root.handlers[:], signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
