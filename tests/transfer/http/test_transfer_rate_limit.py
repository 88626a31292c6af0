"""The limit over all downloads, and its changes in the middle of one."""

from collections.abc import AsyncIterator

import pytest

from orderwatch.transfer.http.rate_limit import RateLimit


async def source(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def passed(bandwidth: RateLimit, *chunks: bytes) -> list[bytes]:
    return [part async for part in bandwidth.throttle(source(*chunks))]


async def test_without_a_limit_chunks_pass_as_they_come() -> None:
    assert await passed(RateLimit(0), b"a" * 10**6, b"b") == [b"a" * 10**6, b"b"]


@pytest.mark.parametrize("rate", [1, 7, 8, 4000])
async def test_a_limit_changes_no_byte(rate: int) -> None:
    """What passes within the first second, that is."""
    data = bytes(range(256))[:rate]
    parts = await passed(RateLimit(rate), data)
    assert b"".join(parts) == data
    assert max(map(len, parts)) <= max(1, rate // 8)


async def test_a_limit_that_begins_in_the_middle_of_a_download_holds_from_there() -> None:
    limits = iter([0, 1000, 1000])
    parts = await passed(RateLimit(lambda: next(limits)), b"a" * 10**6, b"b" * 250)
    assert [len(part) for part in parts] == [10**6, 125, 125]


async def test_a_limit_that_ends_in_the_middle_of_a_chunk_holds_it_no_longer() -> None:
    """At the limit it began with it would take days."""
    limits = iter([80, 80])
    parts = await passed(RateLimit(lambda: next(limits, 0)), b"a" * 10**7)
    assert [len(part) for part in parts] == [10, 10, 10**7 - 20]
