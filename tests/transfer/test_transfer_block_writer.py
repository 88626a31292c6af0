"""Direct writes: the same bytes as through the page cache, wherever they begin and end."""

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transfer.transfer_kit import PATH, Row, file, host, sample_zip

from orderwatch.core.model import Delivery
from orderwatch.transfer import partial_file
from orderwatch.transfer.block_writer import BlockWriter
from orderwatch.transfer.blocks import BLOCK_BYTES, PAGE_BYTES, Block
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit

BIG = sample_zip(9, 5 * BLOCK_BYTES + 777)
SIZES = st.lists(
    st.one_of(st.integers(1, 3 * PAGE_BYTES), st.sampled_from([PAGE_BYTES, 4 * PAGE_BYTES, 2**16])),
    min_size=1,
    max_size=8,
)


@contextmanager
def opened(path: Path, clock: Callable[[], float] = time.monotonic) -> Iterator[BlockWriter]:
    writer = BlockWriter(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), clock)
    try:
        yield writer
    finally:
        writer.close()


def written(path: Path, begin: int, sizes: list[int], directs: list[bool]) -> tuple[bytes, bytes]:
    """What was written block by block from offset `begin` on, and what the file has there."""
    rng = random.Random(begin)
    data = rng.randbytes(sum(sizes))
    at = begin
    with opened(path) as writer:
        for size, direct in zip(sizes, directs, strict=True):
            block = Block()
            block.begin(at)
            assert block.add(data[at - begin : at - begin + size])
            writer.write(at, block.bytes, direct=direct)
            at += size
    return data, path.read_bytes()[begin:]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3 * PAGE_BYTES), SIZES, st.data())
def test_the_file_has_the_bytes_however_they_are_divided(
    tmp_path_factory: pytest.TempPathFactory, begin: int, sizes: list[int], data: st.DataObject
) -> None:
    directs = [data.draw(st.booleans()) for _ in sizes]
    wanted, found = written(tmp_path_factory.getbasetemp() / "blocks", begin, sizes, directs)
    assert found == wanted


def test_a_direct_write_that_ends_early_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, data, at: whole(handle, data[:PAGE_BYTES], at))
    wanted, found = written(tmp_path / "blocks", 5, [10 * PAGE_BYTES], [True])
    assert found == wanted


def test_a_file_system_without_direct_writes_gets_usual_ones(tiny_disk: Path) -> None:
    wanted, found = written(tiny_disk / "blocks", 0, [3 * PAGE_BYTES, 77], [True, True])
    assert found == wanted


def test_a_file_that_cannot_be_opened_again_gets_usual_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox without /proc, or a process at its limit of open files."""
    whole = os.open

    def refuse(path: object, *more: int) -> int:
        if str(path).startswith("/proc/"):
            raise PermissionError(13, "Permission denied")
        return whole(str(path), *more)

    monkeypatch.setattr(os, "open", refuse)
    wanted, found = written(tmp_path / "blocks", 0, [3 * PAGE_BYTES, 77], [True, True])
    assert found == wanted


@pytest.mark.parametrize(("seconds", "direct"), [(0.001, 40), (0.1, 16)], ids=["fast", "slow"])
def test_a_disk_that_takes_long_for_direct_writes_gets_usual_ones(
    seconds: float, direct: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks, writes, whole = itertools.count(), list[int](), os.pwrite

    def count(handle: int, data: memoryview, at: int) -> int:
        writes.append(at)
        return whole(handle, data, at)

    monkeypatch.setattr(os, "pwrite", count)
    block = Block()
    block.add(BIG[:BLOCK_BYTES])
    with opened(tmp_path / "blocks", lambda: next(ticks) * seconds) as writer:
        for number in range(40):
            writer.write(number * BLOCK_BYTES, block.bytes, direct=True)
    assert len(writes) == direct
    assert (tmp_path / "blocks").read_bytes() == BIG[:BLOCK_BYTES] * 40


def test_a_full_disk_is_no_file_system_without_direct_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        written(tmp_path / "blocks", 0, [PAGE_BYTES], [True])


async def test_a_download_written_directly_is_the_file_and_resumes(
    tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_file, "_DIRECT_FROM_BYTES", 0)
    direct: list[int] = []
    whole = os.pwrite

    def count(handle: int, data: memoryview, at: int) -> int:
        direct.append(len(data))
        return whole(handle, data, at)

    monkeypatch.setattr(os, "pwrite", count)
    options = DownloadOptions(stall_timeout=5)
    async with (
        open_downloader("127.0.0.1", tmp_path, options, RateLimit(0)) as transport,
        host(file(BIG, etag='"one"', upto=3 * BLOCK_BYTES + 5), file(BIG, etag='"one"')) as there,
    ):
        row = Row(tmp_path, transport, delivery, truths=(BIG,))
        await row.fail(there.url + PATH)
        assert row.delivery.durable == 3 * BLOCK_BYTES + 5
        assert await row.fetch(there.url + PATH) == BIG
    assert sum(direct) > BLOCK_BYTES
