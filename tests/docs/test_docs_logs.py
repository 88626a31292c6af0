"""The queries of docs/logs.md find what they say in lines as they are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/logs.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^(jq .*)$", PAGE, re.MULTILINE)
LINES = """\
Traceback of something else
{"timestamp": "2026-11-22T12:00:00Z", "level": "info", "event": "order.changed", "account": "main", "order_id": "23272", "task_id": 23272, "before": "in_progress", "after": "completed"}
{"timestamp": "2026-11-22T12:01:00Z", "level": "info", "event": "delivery.stored", "account": "main", "order_id": "23272", "task_id": 23272, "path": "a/b.zip", "size": 400}
{"timestamp": "2026-11-22T12:02:00Z", "level": "info", "event": "delivery.stored", "account": "main", "order_id": "7", "task_id": 7, "path": "a/c.zip", "size": 30}
{"timestamp": "2026-11-22T13:00:00Z", "level": "info", "event": "account.recovered", "account": "main", "lasted_seconds": 600}
"""  # noqa: E501
STORY = """\
{"timestamp":"2026-11-22T12:00:00Z","event":"order.changed","before":"in_progress","after":"completed","reason":null}
{"timestamp":"2026-11-22T12:01:00Z","event":"delivery.stored","before":null,"after":null,"reason":null}
"""
FOUND = [
    "2026-11-22T12:01:00Z\t23272\ta/b.zip\n2026-11-22T12:02:00Z\t7\ta/c.zip\n",
    STORY,
    "      2 delivery.stored\n      1 order.changed\n      1 account.recovered\n",
    "2026-11-22T13:00:00Z\tmain\t600\n",
    "2026-11-22 430\n",
]


@pytest.mark.parametrize(("query", "found"), list(zip(QUERIES, FOUND, strict=True)))
def test_each_query_of_the_page_finds_its_lines(query: str, found: str) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not here")
    env = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    shell = ["sh", "-c", query]
    done = subprocess.run(shell, input=LINES, capture_output=True, text=True, check=True, env=env)
    assert done.stdout == found


def test_every_event_of_the_page_is_in_the_catalogue() -> None:
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", PAGE)) | set(re.findall(r'event == "([a-z._]+)"', PAGE))
    listed = re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/events.md").read_text(), re.MULTILINE)
    assert named <= set(listed)
