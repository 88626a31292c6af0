"""One file over several connections: more per second, the same bytes, and nothing lost by whatever fails."""

import asyncio
import hashlib
import json
import os
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.transfer.transfer_kit import PART, Act, Answer, Asked, Host, Row, head, host, reply, sample_zip

from orderwatch.core.deliveries.byte_ranges import Ranges
from orderwatch.core.model import Delivery
from orderwatch.errors import TransferError
from orderwatch.ports import Fetched
from orderwatch.service.fetching.host_breaker import HostBreakers, HostVisit
from orderwatch.transfer.http.downloader import Downloader, open_downloader
from orderwatch.transfer.http.options import DownloadOptions, ParallelOptions
from orderwatch.transfer.http.parallel import ParallelDownload
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.segments import Segment, SegmentAllocator
from orderwatch.transfer.partial_file import control_file
from orderwatch.transfer.zip.stream import MemberScanner

SIZE = 1_500_000
TRUTH = b"PK\x03\x04" + random.Random(1).randbytes(SIZE - 4)
OTHER = b"PK\x03\x04" + random.Random(2).randbytes(SIZE - 4)
NOW = datetime(2026, 11, 30, tzinfo=UTC)
NOW_TEXT, JUST_NOW_TEXT = "Mon, 30 Nov 2026 00:00:00 GMT", "Sun, 29 Nov 2026 23:59:50 GMT"
ETAG, NEW_ETAG = '"one"', '"two"'
STEP = 30_000  # bytes that a connection gets between two pauses
MANNER = DownloadOptions(
    stall_timeout=5,
    parallel=ParallelOptions(connections=4, min_file_bytes=SIZE, segment_bytes=100_000, window_seconds=0.02),
)


@pytest.fixture
async def transport(tmp_path: Path) -> AsyncIterator[Downloader]:
    async with open_downloader("127.0.0.1", tmp_path, MANNER, RateLimit(0)) as opened:
        yield opened


@pytest.fixture
def row(tmp_path: Path, transport: Downloader, delivery: Delivery) -> Row:
    return Row(tmp_path, transport, delivery, truths=(TRUTH, OTHER))


def span_of(asked: Asked, size: int = SIZE) -> tuple[int, int]:
    first, _, last = asked.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
    return int(first), int(last) + 1 if last else size


def slow(
    data: bytes = TRUTH,
    etag: str | None = ETAG,
    upto: int | None = None,
    *,
    hangs: bool = False,
    honours_if_range: bool = False,
    modified: str | None = None,
) -> Answer:
    """A host that limits each connection, and may hang up, or hang, when one got `upto` bytes."""

    def answer(asked: Asked) -> Iterator[bytes | Act]:
        if honours_if_range and asked.headers.get("if-range", etag) != etag:
            asked = Asked(asked.target, {})
        start, stop = span_of(asked, len(data))
        headers: dict[str, object] = {"Content-Type": "application/zip", "Content-Length": stop - start}
        if etag is not None:
            headers["ETag"] = etag
        if modified is not None:
            headers |= {"Last-Modified": modified, "Date": NOW_TEXT}
        if "range" in asked.headers:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        yield head(206 if "range" in asked.headers else 200, headers)
        end = stop if upto is None else min(stop, start + upto)
        for at in range(start, end, STEP):
            yield data[at : min(at + STEP, end)]
            yield Act.PAUSE
        if hangs and end < stop:
            yield Act.STALL

    return answer


def durable(row: Row) -> Ranges:
    """What the row and the control file call durable."""
    told = control_file(row.path)
    spans = json.loads(told.read_text())["held"] if told.exists() else []
    return Ranges.of([(0, row.delivery.durable), *map(tuple, spans)])


def power_cut(row: Row) -> None:
    """Whatever is not called durable is garbage from now on."""
    kept = durable(row)
    data = bytearray(row.on_disk)
    for start, stop in kept.gaps(len(data)):
        data[start:stop] = b"\xa5" * (stop - start)
    row.path.write_bytes(data)
    for start, stop in kept.spans:
        assert data[start:stop] in [truth[start:stop] for truth in row.truths], (
            "what is durable is not the file"
        )


async def test_a_large_file_comes_over_several_connections_and_each_byte_is_asked_for_once(row: Row) -> None:
    async with host(slow()) as there:
        assert await row.fetch(there.url) == TRUTH
    spans = sorted(span_of(asked) for asked in there.heard)
    assert len(spans) > 3
    assert all(asked.headers["if-range"] == ETAG for asked in there.heard[1:])
    helped = spans[1:]
    assert all(before[1] <= after[0] for before, after in pairwise(helped))
    assert helped[-1][1] == SIZE
    assert row.starts[0].version.total == SIZE


async def test_a_fresh_file_without_checksums_comes_over_one_connection(row: Row) -> None:
    """Its tag may be that of a second file of the same second, so no other connection could continue it."""
    row.delivery = replace(row.delivery, attachment="preview", file_name="preview.bin")
    async with host(slow(modified=JUST_NOW_TEXT)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert len(there.heard) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(slow(TRUTH[: SIZE - 1]), id="below the size"),
        pytest.param(slow(etag=None), id="nothing vouches for the bytes"),
        pytest.param(slow(etag='W/"weak"'), id="a weak validator"),
    ],
)
async def test_one_connection_is_enough(row: Row, answer: Answer) -> None:
    row.truths = (TRUTH, TRUTH[: SIZE - 1])
    async with host(answer) as there:
        assert TRUTH.startswith(await row.fetch(there.url))
    assert len(there.heard) == 1


@pytest.mark.parametrize(
    ("rates", "helpers", "worthwhile"),
    [
        pytest.param([100], 1, 1, id="one is always tried"),
        pytest.param([100, 105, 300, 300], 1, 1, id="one that brings nothing is the last"),
        pytest.param([100, 200], 3, 2, id="then as many again"),
        pytest.param([100, 200, 205], 3, 2, id="which bring nothing"),
        pytest.param([100, 200, 400, 800, 900], 3, 4, id="no more than configured"),
        pytest.param([60_000_000], 0, 1, id="a fast one is left alone"),
    ],
)
async def test_connections_are_added_while_each_brings_more(
    rates: list[int], helpers: int, worthwhile: int
) -> None:
    now, received, asked = 0.0, 0, list[Segment]()

    async def fetch(claim: Segment) -> None:
        asked.append(claim)
        await asyncio.Event().wait()

    claims = SegmentAllocator(Ranges(), SIZE)
    claims.take_first()
    async with asyncio.TaskGroup() as tasks:
        crew = ParallelDownload(
            claims, SIZE, MANNER.parallel, fetch, tasks, received=lambda: received, clock=lambda: now
        )
        for rate in rates:
            now += 1
            received += rate
            crew.adjust()
            await asyncio.sleep(0)
            for claim in asked:
                claim.is_answered = True
        crew.stop()
    assert len(asked) == helpers
    assert crew.worthwhile == worthwhile


@pytest.mark.parametrize(("worthwhile", "helpers"), [(1, 0), (2, 1), (4, 3), (9, 3)])
async def test_a_file_begins_with_as_many_connections_as_were_worthwhile(
    worthwhile: int, helpers: int
) -> None:
    asked = list[Segment]()

    async def fetch(claim: Segment) -> None:
        asked.append(claim)
        await asyncio.Event().wait()

    claims = SegmentAllocator(Ranges(), SIZE)
    claims.take_first()
    async with asyncio.TaskGroup() as tasks:
        crew = ParallelDownload(
            claims, SIZE, MANNER.parallel, fetch, tasks, received=lambda: 0, clock=lambda: 0.0
        )
        adjusting = tasks.create_task(crew.keep_adjusting(worthwhile))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        adjusting.cancel()
        crew.stop()
    assert len(asked) == helpers


async def test_what_several_connections_brought_survives_a_power_cut(row: Row) -> None:
    await cut(row)
    held = durable(row)
    assert held.end > held.prefix, "nothing beyond the beginning was durable"
    power_cut(row)
    async with host(slow()) as there:
        assert await row.fetch(there.url) == TRUTH
    assert row.starts[-1].held == held.total
    assert there.sent < SIZE - held.total + 10 * STEP


async def test_without_its_control_file_only_the_beginning_counts(row: Row) -> None:
    await cut(row)
    power_cut(row)
    control_file(row.path).unlink()
    async with host(slow()) as there:
        assert await row.fetch(there.url) == TRUTH
    assert row.starts[-1].held == row.starts[-1].offset


@pytest.mark.parametrize("told", [b"", b"{", b"[]", b'{"total": 1, "validator": null, "held": [[0, 9]]}'])
async def test_a_control_file_that_says_nothing_of_these_bytes_is_not_believed(row: Row, told: bytes) -> None:
    row.hold(b"", total=SIZE, validator=ETAG)
    row.path.write_bytes(b"\xa5" * SIZE)
    control_file(row.path).write_bytes(told)
    async with host(slow()) as there:
        assert await row.fetch(there.url) == TRUTH


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(slow(OTHER, NEW_ETAG), id="If-Range not honoured"),
        pytest.param(slow(OTHER, NEW_ETAG, honours_if_range=True), id="If-Range honoured"),
    ],
)
async def test_a_helper_that_meets_another_file_ends_the_attempt_at_the_old_one(
    row: Row, answer: Answer
) -> None:
    async with host(slow(), answer) as there:
        assert await row.fetch(there.url) == OTHER
    assert row.starts[-1].offset == 0
    assert there.sent < 1.5 * SIZE, "the old file was downloaded to its end"


async def test_after_a_restart_nothing_of_the_old_bytes_counts(row: Row) -> None:
    await cut(row)
    await cut(row, OTHER, NEW_ETAG)
    power_cut(row)
    async with host(slow(OTHER, NEW_ETAG)) as there:
        assert await row.fetch(there.url) == OTHER


async def test_a_host_that_has_no_time_for_a_helper_is_not_asked_for_more_than_it_takes(row: Row) -> None:
    """Be it for the next file."""
    host_breakers = HostBreakers()

    async def fetch(url: str) -> HostVisit:
        visit = host_breakers.visit(replace(row.delivery, host="there"), lambda: NOW)
        row.path.unlink(missing_ok=True)
        await row.transport.fetch(
            url, PART, row.delivery, on_start=row.on_start, checkpoint=row.checkpoint, connections=visit
        )
        visit.leave()
        return visit

    async with host(slow(), reply(429), slow()) as there:
        await fetch(there.url)
        assert [asked.headers.get("range") for asked in there.heard].count(None) == 1
    async with host(slow()) as there:
        await fetch(there.url)
        assert len(there.heard) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(reply(503), id="busy"),
        pytest.param(reply(403), id="one use of the link only"),
        pytest.param(reply(200, TRUTH, Content_Type="application/zip"), id="the whole file"),
        pytest.param(slow(upto=50_000), id="cut"),
    ],
)
async def test_a_helper_that_is_refused_or_cut_is_no_trouble(row: Row, refusal: Answer) -> None:
    async with host(slow(), refusal, slow()) as there:
        assert await row.fetch(there.url) == TRUTH


async def test_a_disk_that_fails_under_a_helper_ends_the_attempt(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwritev

    def full(handle: int, views: Sequence[memoryview], at: int) -> int:
        if at > SIZE // 2:
            raise OSError(28, "No space left on device")
        return whole(handle, views, at)

    monkeypatch.setattr(os, "pwritev", full)
    async with host(slow()) as there:
        await row.fail_on_disk(there.url)


async def test_a_stop_leaves_nobody_at_work_and_what_came_durable(row: Row) -> None:
    async with several_at_work(row) as (there, task):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(PATIENCE):
            await there.alone()
    assert durable(row).end > durable(row).prefix
    power_cut(row)


async def test_a_stop_while_the_disk_fails_is_a_stop(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the worker would go on with the next delivery."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async with several_at_work(row) as (_, task):
        monkeypatch.setattr(os, "pwritev", full)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def cut(row: Row, data: bytes = TRUTH, etag: str = ETAG) -> None:
    """An attempt that loses all its connections while several are at work."""
    async with several_at_work(row, data, etag) as (there, task):
        there.hang_up()
        with pytest.raises(TransferError):
            await task


@asynccontextmanager
async def several_at_work(
    row: Row, data: bytes = TRUTH, etag: str = ETAG
) -> AsyncIterator[tuple[Host, asyncio.Task[bytes]]]:
    """An attempt whose first connection hangs, while helpers have brought some pieces."""
    async with host(slow(data, etag, upto=SIZE // 3, hangs=True)) as there:
        task = asyncio.create_task(row.fetch(there.url))
        while len(there.heard) < 5:
            await asyncio.sleep(0.01)
            assert not task.done()
        yield there, task


async def test_a_helper_that_is_sent_nothing_is_not_started_again(row: Row) -> None:
    def short(asked: Asked) -> Iterator[bytes | Act]:
        start, stop = span_of(asked)
        named = {"ETag": ETAG, "Content-Range": f"bytes {start}-{stop - 1}/{SIZE}"}
        yield head(206, {**named, "Content-Length": 0})

    def answer(asked: Asked) -> Iterator[bytes | Act]:
        return short(asked) if "range" in asked.headers and len(there.heard) < 200 else slow()(asked)

    async with host(answer) as there:
        assert await row.fetch(there.url) == TRUTH
    assert len(there.heard) < 10


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_breaks_the_checksums_are_those_of_the_file(row: Row, seed: int) -> None:
    """Cuts, refusals, cancels and power cuts, by chance, until the file has arrived."""
    chance, data = random.Random(seed), sample_zip(seed, SIZE)
    row.truths, fetched = (data,), None

    def answer(asked: Asked) -> Iterator[bytes | Act]:
        if chance.random() < 0.1:
            return reply(503)(asked)
        return slow(data, upto=chance.choice([None, chance.randrange(1, 600_000)]))(asked)

    async with host(answer) as there:
        for _ in range(100):
            try:
                async with asyncio.timeout(chance.choice([None, chance.random()])):
                    fetched = await row.transport.fetch(
                        there.url, PART, row.delivery, on_start=row.on_start, checkpoint=row.checkpoint
                    )
                break
            except (TransferError, TimeoutError):
                power_cut(row)
    scanner = MemberScanner()
    scanner.feed(data)
    assert row.on_disk == data
    assert fetched == Fetched(len(data), hashlib.sha256(data).hexdigest(), scanner.crcs)
    assert len(scanner.crcs) == 2
