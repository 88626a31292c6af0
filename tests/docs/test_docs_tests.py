"""What CONTRIBUTING.md says of the tests."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
# Nothing, or a moment that is too short on purpose, is no limit.
LIMIT = re.compile(r"asyncio\.timeout\((?!0\))[\d.]+\)|wait_for\(.*, ?[\d.]+\)|\btimeout=\d\d+")


def test_how_long_a_test_waits_stands_in_one_place() -> None:
    found = {
        str(path.relative_to(TESTS)): limits
        for path in sorted(TESTS.rglob("*.py"))
        if (limits := LIMIT.findall(path.read_text(encoding="utf-8")))
    }
    assert found == {}
