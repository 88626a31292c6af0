"""Logs go nowhere; what a test wants of them it captures."""

from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import LogCapture


@pytest.fixture(autouse=True)
def events() -> Iterator[LogCapture]:
    """Everything that is logged, in order."""
    heard = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[heard])
    yield heard
    structlog.configure(**before)
