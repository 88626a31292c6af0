"""The partial on a disk that is full, slow or failing: no checkpoint beyond what is really there."""

import asyncio
import hashlib
import itertools
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.transfer.transfer_kit import GARBAGE, PART, PATH, TRUTH, Act, Row, file, host, sample_zip

from orderwatch.core.deliveries.byte_ranges import Ranges
from orderwatch.core.model import Delivery
from orderwatch.errors import DiskError, LostBytesError
from orderwatch.transfer import trailing_hash
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.partial_file import Partial, open_partial
from orderwatch.transfer.zip.stream import MemberScanner

BIG = sample_zip(4, 700_000)
ROOM = 100_000


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file can grow beyond this; the kernel writes what fits first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def put(partial: Partial, at: int, data: bytes) -> None:
    """Write the bytes as a connection does."""
    rest = memoryview(data)
    while rest:
        block = partial.block(at)
        size = min(len(rest), block.room)
        assert block.add(rest[:size])
        at, rest = at + size, rest[size:]
        partial.write(block)


async def test_bytes_are_written_in_order_and_synced(tmp_path: Path) -> None:
    async with open_partial(tmp_path / PART, 0) as partial:
        put(partial, 0, b"abc")
        put(partial, 3, b"")
        put(partial, 3, b"def")
        assert await partial.sync() == Ranges(((0, 6),))
        assert (tmp_path / PART).read_bytes() == b"abcdef"


async def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a kernel that takes seven bytes at a time."""
    whole = os.pwritev
    taken: list[int] = []

    def short(handle: int, views: Sequence[memoryview], at: int) -> int:
        taken.append(whole(handle, [views[0][:7]], at))
        return taken[-1]

    monkeypatch.setattr(os, "pwritev", short)
    async with open_partial(tmp_path / PART, 0) as partial:
        put(partial, 0, TRUTH[:100])
        assert (await partial.sync()).prefix == 100
    assert (tmp_path / PART).read_bytes() == TRUTH[:100]
    assert max(taken) == 7


async def test_a_slow_disk_holds_back_whoever_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the blocks that may wait, whatever the host sends."""
    whole, go_on = os.pwritev, threading.Event()
    queued = 0

    def slow(handle: int, views: Sequence[memoryview], at: int) -> int:
        go_on.wait(PATIENCE)
        return whole(handle, views, at)

    def write_all() -> None:
        nonlocal queued
        for number in range(20):
            put(partial, number, TRUTH[number : number + 1])
            queued += 1

    monkeypatch.setattr(os, "pwritev", slow)
    async with open_partial(tmp_path / PART, 0) as partial:
        writing = asyncio.create_task(asyncio.to_thread(write_all))
        while queued < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert queued == 4
        go_on.set()
        await writing
        assert (await partial.sync()).prefix == 20
    assert (tmp_path / PART).read_bytes() == TRUTH[:20]


@pytest.mark.parametrize("inline_bytes", [0, 2**23], ids=["by-its-thread", "by-the-writer"])
async def test_a_checksum_that_fails_on_the_way_is_computed_again(
    inline_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must never be that of a part of the bytes, nor of some of them twice."""
    whole, calls = MemberScanner.feed, itertools.count()

    def fail_once(scanner: MemberScanner, data: bytes | memoryview) -> None:
        if next(calls) == 2:
            raise ValueError("not a zip")
        whole(scanner, data)

    monkeypatch.setattr(trailing_hash, "_INLINE_BYTES", inline_bytes)
    monkeypatch.setattr(MemberScanner, "feed", fail_once)
    async with open_partial(tmp_path / PART, 0) as partial:
        for at in range(0, len(TRUTH), 1000):
            put(partial, at, TRUTH[at : at + 1000])
        digests = await partial.digests()
    assert digests.sha256 == hashlib.sha256(TRUTH).hexdigest()


async def test_only_the_durable_bytes_are_kept_when_it_is_opened_again(tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(TRUTH[:100] + GARBAGE)
    async with open_partial(tmp_path / PART, 100) as partial:
        assert partial.held.prefix == 100
        put(partial, 100, TRUTH[100:200])
        await partial.sync()
    assert (tmp_path / PART).read_bytes() == TRUTH[:200]


async def test_a_restart_throws_every_byte_away(tmp_path: Path) -> None:
    async with open_partial(tmp_path / PART, 0) as partial:
        put(partial, 0, GARBAGE)
        await partial.restart()
        put(partial, 0, TRUTH)
        assert (await partial.sync()).prefix == len(TRUTH)
    assert (tmp_path / PART).read_bytes() == TRUTH


async def test_a_partial_that_is_a_delivered_file_as_well_is_let_go(tmp_path: Path) -> None:
    """A crash between storing and clearing leaves the second name, and the row may be wanted again."""
    (tmp_path / PART).write_bytes(TRUTH)
    (tmp_path / "delivered.zip").hardlink_to(tmp_path / PART)
    async with open_partial(tmp_path / PART, len(TRUTH)) as partial:
        assert not partial.held.spans
        put(partial, 0, GARBAGE)
        await partial.sync()
    assert (tmp_path / "delivered.zip").read_bytes() == TRUTH


async def test_a_symbolic_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / PART).symlink_to(tmp_path / "precious")
    with pytest.raises(DiskError):
        async with open_partial(tmp_path / PART, 0):
            pass
    assert (tmp_path / "precious").read_bytes() == b"precious"


async def test_a_folder_that_is_gone_is_a_trouble_of_the_disk(row: Row) -> None:
    async with host(file(TRUTH)) as there:
        row.folder.rmdir()
        with pytest.raises(DiskError, match="cannot open"):
            await row.fetch(there.url + PATH)


# No space


async def test_a_disk_that_fills_up_keeps_the_checkpoints_true_and_resumes_when_room_returns(
    tiny_disk: Path, delivery: Delivery
) -> None:
    async with (
        open_downloader("127.0.0.1", tiny_disk, DownloadOptions(stall_timeout=5), RateLimit(0)) as transport,
        host(file(BIG, etag='"one"')) as there,
    ):
        row = Row(tiny_disk, transport, delivery, truths=(BIG,))
        error = await row.fail_on_disk(there.url + PATH)
        assert "No space left" in str(error)
        await row.fail_on_disk(there.url + PATH)
        subprocess.run(["mount", "-o", "remount,size=2m", str(tiny_disk)], check=True)  # noqa: ASYNC221 - short
        assert await row.fetch(there.url + PATH) == BIG


async def test_a_file_that_cannot_grow_keeps_the_checkpoints_true_and_resumes_later(row: Row) -> None:
    async with host(file(TRUTH, upto=1000), file(TRUTH)) as there:
        await row.fail(there.url)
        with file_size_limit(ROOM):
            await row.fail_on_disk(there.url + PATH)
            await row.fail_on_disk(there.url + PATH)
        assert row.delivery.durable == 1000
        assert await row.fetch(there.url + PATH) == TRUTH


async def test_a_cut_on_a_full_disk_is_a_trouble_of_the_disk(row: Row) -> None:
    async with host(file(TRUTH, upto=ROOM + 1000, then=Act.RESET), file(TRUTH)) as there:
        with file_size_limit(ROOM):
            await row.fail_on_disk(there.url + PATH)
        assert row.delivery.durable == 0
        assert await row.fetch(there.url + PATH) == TRUTH


async def test_a_failed_write_stays_failed(tmp_path: Path) -> None:
    """What comes after a hole must never be written, though there may be room again."""
    async with open_partial(tmp_path / PART, 0) as partial:
        with file_size_limit(50):
            put(partial, 0, TRUTH[:100])
            with pytest.raises(DiskError):
                await partial.flush()
        with pytest.raises(DiskError):
            put(partial, 100, TRUTH[100:200])
        with pytest.raises(DiskError):
            await partial.sync()


# Failing and slow disks


async def test_a_sync_that_fails_makes_every_byte_since_doubtful(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    async with host(file(TRUTH, upto=1000)) as there:
        with pytest.raises(LostBytesError, match="Input/output error"):
            await row.fetch(there.url + PATH)
    assert not row.marks


async def test_a_sync_that_fails_after_its_caller_was_cancelled_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reports it once, and would call the next one a success."""
    begun, go_on = threading.Event(), threading.Event()
    syncs: list[int] = []

    def fail_once(handle: int) -> None:
        syncs.append(handle)
        begun.set()
        go_on.wait(10)
        if len(syncs) == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail_once)
    async with open_partial(tmp_path / PART, 0) as partial:
        put(partial, 0, TRUTH)
        task = asyncio.create_task(partial.sync())
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        with pytest.raises(LostBytesError):
            await partial.sync()
    assert len(syncs) == 1


async def test_a_write_that_fails_after_its_caller_was_cancelled_is_no_checkpoint(
    tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwritev
    begun, go_on = threading.Event(), threading.Event()

    def full_at_first(handle: int, views: Sequence[memoryview], at: int) -> int:
        if not begun.is_set():
            begun.set()
            go_on.wait(10)
            raise OSError(28, "No space left on device")
        return whole(handle, views, at)

    monkeypatch.setattr(os, "pwritev", full_at_first)
    async with (
        open_downloader("127.0.0.1", tmp_path, DownloadOptions(stall_timeout=30), RateLimit(0)) as transport,
        host(file(BIG * 20)) as there,
    ):
        row = Row(tmp_path, transport, delivery, truths=(BIG * 20,))
        task = asyncio.create_task(row.fetch(there.url))
        await asyncio.to_thread(begun.wait, 10)
        await asyncio.sleep(0.2)  # by now the next bytes wait for these
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not row.marks


async def test_a_cancelled_opening_leaks_no_handle(tmp_path: Path) -> None:
    before = open_handles()

    async def hold() -> None:
        async with open_partial(tmp_path / PART, 0):
            await asyncio.sleep(30)

    for _ in range(50):
        task = asyncio.create_task(hold())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert open_handles() == before


def open_handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_stop_does_not_read_what_a_last_write_would_let_be_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwritev
    begun, go_on = threading.Event(), threading.Event()
    reads: list[int] = []

    def wait_for_the_beginning(handle: int, views: Sequence[memoryview], at: int) -> int:
        if at == 0:
            begun.set()
            go_on.wait(PATIENCE)
        return whole(handle, views, at)

    def read(handle: int, views: Sequence[memoryview], at: int) -> int:
        reads.append(at)
        return os.readv(handle, views)

    monkeypatch.setattr(os, "pwritev", wait_for_the_beginning)
    monkeypatch.setattr(os, "preadv", read)
    async with open_partial(tmp_path / PART, 0) as partial:
        put(partial, len(BIG), BIG)
        put(partial, 0, BIG)
        await asyncio.to_thread(begun.wait, PATIENCE)
        asyncio.get_running_loop().call_later(0.05, go_on.set)  # by then it closes
    assert not reads


async def test_a_file_stays_open_while_it_is_synced_whatever_fails_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    is_open: list[bool] = []

    def sync_slowly(handle: int) -> None:
        begun.set()
        go_on.wait(PATIENCE)
        is_open.append(Path(f"/proc/self/fd/{handle}").exists())

    def fail(*_: object) -> int:
        raise ValueError("a bug")

    monkeypatch.setattr(os, "fdatasync", sync_slowly)
    async with open_partial(tmp_path / PART, 0) as partial:
        put(partial, 0, TRUTH)
        syncing = asyncio.create_task(partial.sync())
        await asyncio.to_thread(begun.wait, PATIENCE)
        monkeypatch.setattr(os, "pwritev", fail)
        put(partial, len(TRUTH), TRUTH)
        asyncio.get_running_loop().call_later(0.05, go_on.set)  # by then it closes
    await syncing
    assert is_open == [True]
