"""docs/notifications.md tells the truth."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orderwatch.core.notifications.events import EVENTS
from orderwatch.notifiers.webhook import signature

PAGE = (Path(__file__).parents[2] / "docs/notifications.md").read_text(encoding="utf-8")
BODY = b'{"notes": []}'


@pytest.fixture
def is_ours() -> Callable[[dict[str, str], bytes, bytes], bool]:
    """The example of the page."""
    found: dict[str, Callable[[dict[str, str], bytes, bytes], bool]] = {}
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code, found)  # noqa: S102 - a page of ours
    return found["is_ours"]


def headers(at: float) -> dict[str, str]:
    stamp = str(int(at))
    return {
        "webhook-id": "id-1",
        "webhook-timestamp": stamp,
        "webhook-signature": signature(b"key", "id-1", stamp, BODY),
    }


def test_the_example_tells_ours_from_others(is_ours: Callable[[dict[str, str], bytes, bytes], bool]) -> None:
    assert is_ours(headers(time.time()), BODY, b"key")
    assert not is_ours(headers(time.time()), BODY + b" ", b"key")
    assert not is_ours(headers(time.time()), BODY, b"another key")
    assert not is_ours(headers(time.time() - 3600), BODY, b"key")


def test_every_event_is_listed() -> None:
    assert re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", PAGE, re.MULTILINE) == list(EVENTS)
