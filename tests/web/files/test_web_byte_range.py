"""Ranges as clients write them."""

import pytest

from orderwatch.web.files.byte_range import UnsatisfiableError, parse_range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("Bytes= 9-9 ", (9, 10)),
        ("bytes=3-99", (3, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-99", (0, 10)),
        ("", None),
        ("bytes=5-3", None),
        ("bytes=0-1,4-5", None),
        ("bytes=-", None),
        ("lines=0-1", None),
        ("bytes=0x1-", None),
        ("bytes=٣-", None),
    ],
)
def test_a_range_is_read_and_what_is_not_understood_means_the_whole_file(
    header: str, found: tuple[int, int] | None
) -> None:
    assert parse_range(header, 10) == found


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_bytes_that_are_not_there_cannot_be_had(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        parse_range(header, 10)
    with pytest.raises(UnsatisfiableError):
        parse_range("bytes=0-", 0)
