"""One style of size for people."""

import re
from pathlib import Path

import pytest

import orderwatch
from orderwatch.core.formatting import format_bytes, format_bytes_pair


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (69_434_822_144, "69.4 GB"),
        (999_999_999_999, "1.0 TB"),
        (12_000 * 10**12, "12000.0 TB"),
    ],
)
def test_sizes_are_told_in_decimal_units(size: int | None, told: str) -> None:
    assert format_bytes(size) == told


def test_two_sizes_that_differ_never_look_the_same() -> None:
    assert format_bytes_pair(69_434_822_144, 5_000_000_000) == ("69.4 GB", "5.0 GB")
    assert format_bytes_pair(5_000_000_001, 5_000_000_000) == ("5000000001 B", "5000000000 B")
    assert format_bytes_pair(7, 7) == ("7 B", "7 B")
    assert format_bytes_pair(7, None) == ("7 B", "an unknown size")


def test_no_text_of_ours_counts_bytes_by_itself() -> None:
    by_hand = re.compile(r"\} (bytes|[kMG]i?B)\b|1e[369]\b")
    source = Path(orderwatch.__file__).parent
    found = {
        f"{path.relative_to(source)}: {line.strip()}"
        for path in source.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if by_hand.search(line)
    }
    assert {line.split(":")[0] for line in found} == {"core/listen_address.py"}, found  # the length of a path
