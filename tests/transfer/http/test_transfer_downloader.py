"""Downloads from hosts that cut, lie and change their minds: the right bytes or an error, never a splice."""

import asyncio
import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import (
    GARBAGE,
    LONGER,
    OTHER,
    PART,
    PATH,
    TRUTH,
    Act,
    Answer,
    Asked,
    Row,
    file,
    head,
    host,
    reply,
)

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.model import Delivery
from orderwatch.errors import (
    BadBytesError,
    BusyHostError,
    ForbiddenError,
    HostError,
    LinkExpiredError,
    TransferError,
)
from orderwatch.ports import Fetched
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.tree.destination import FilesystemDestination

HALF = len(TRUTH) // 2
ETAG, NEW_ETAG = '"one"', '"two"'
NOON, LATER = "Sun, 22 Nov 2026 12:00:00 GMT", "Sun, 22 Nov 2026 13:00:00 GMT"


# A whole file


async def test_a_whole_file_comes_and_its_size_and_validator_are_frozen_first(row: Row) -> None:
    async with host(file(TRUTH, etag=ETAG)) as there:
        assert await row.fetch(there.url + PATH) == TRUTH
    [start] = row.starts
    assert (start.offset, start.version.total, start.version.validator) == (0, len(TRUTH), ETAG)


async def test_the_link_arrives_byte_by_byte_and_carries_nothing_of_ours(row: Row) -> None:
    async with host(file(TRUTH)) as there:
        await row.fetch(there.url + PATH)
    [asked] = there.heard
    assert asked.target == PATH
    assert asked.headers["accept-encoding"] == "identity"
    assert not asked.headers.keys() & {"authorization", "authorizationtoken", "cookie", "range", "if-range"}


async def test_bytes_whose_tag_length_and_old_date_are_the_stored_ones_are_not_fetched(row: Row) -> None:
    async with host(reply(200, TRUTH, ETag=ETAG, Last_Modified=NOON)) as there:
        assert await offered(row, there.url) is None
    assert not row.on_disk
    assert not row.starts


@pytest.mark.parametrize(
    ("etag", "modified", "data", "fetched_at"),
    [
        pytest.param(None, NOON, TRUTH, LATER, id="no tag"),
        pytest.param(NEW_ETAG, NOON, TRUTH, LATER, id="another tag"),
        pytest.param(f"W/{ETAG}", NOON, TRUTH, LATER, id="a weak tag"),
        pytest.param(ETAG, None, TRUTH, LATER, id="no date: tags are cached by path"),
        pytest.param(ETAG, LATER, TRUTH, LATER, id="another date"),
        pytest.param(ETAG, NOON, LONGER, LATER, id="another length"),
        pytest.param(ETAG, NOON, TRUTH, NOON, id="stored in the second of its date"),
        pytest.param(ETAG, NOON, TRUTH, None, id="stored at an unknown time"),
    ],
)
async def test_bytes_that_may_be_others_than_the_stored_ones_are_fetched(
    row: Row, etag: str | None, modified: str | None, data: bytes, fetched_at: str | None
) -> None:
    async with host(reply(200, data, ETag=etag, Last_Modified=modified)) as there:
        assert await offered(row, there.url, fetched_at) is not None
    assert row.on_disk == data


async def test_a_304_to_a_request_without_condition_is_no_proof(row: Row) -> None:
    async with host(reply(304, ETag=ETAG, Last_Modified=NOON)) as there:
        with pytest.raises(TransferError, match="304"):
            await offered(row, there.url)
    assert not there.heard[0].headers.keys() & {"if-none-match", "if-modified-since"}


async def test_the_rest_of_a_partial_is_asked_for_whatever_is_known(row: Row) -> None:
    row.hold(TRUTH[:HALF], total=len(TRUTH), validator=ETAG)
    async with host(file(TRUTH, etag=ETAG)) as there:
        assert await offered(row, there.url) is not None
    assert "if-none-match" not in there.heard[0].headers
    assert row.on_disk == TRUTH


async def offered(row: Row, url: str, fetched_at: str | None = LATER) -> Fetched | None:
    """A download of bytes that may be those of a stored file."""
    stored = FileVersion(len(TRUTH), ETAG, last_modified=NOON, host_date=fetched_at)
    return await row.transport.fetch(
        url, PART, row.delivery, on_start=row.on_start, checkpoint=row.checkpoint, stored=stored
    )


async def test_a_weak_etag_is_no_validator(row: Row) -> None:
    async with host(file(TRUTH, etag='W/"weak"', upto=HALF)) as there:
        await row.fail(there.url)
        assert row.delivery.validator is None
        await row.fail(there.url)
    assert "if-range" not in there.heard[1].headers


async def test_a_chunked_body_comes_whole(row: Row) -> None:
    async with host(chunked(TRUTH)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert row.starts[0].version.total is None


async def test_a_chunked_body_that_is_cut_is_noticed_and_resumed(row: Row) -> None:
    async with host(chunked(TRUTH[:HALF], end=b""), file(TRUTH)) as there:
        await row.fail(there.url)
        assert row.delivery.durable == HALF
        assert await row.fetch(there.url) == TRUTH
    assert there.heard[1].offset == HALF


async def test_a_body_without_length_that_is_cut_is_caught_by_the_zip_check(
    row: Row, tmp_path: Path, delivery: Delivery
) -> None:
    destination = FilesystemDestination(tmp_path)
    await destination.prepare()
    async with host(reply(200, TRUTH[:HALF], Content_Length=None)) as there:
        came = await row.fetch(there.url)
    (destination.partials / PART).write_bytes(came)
    with pytest.raises(BadBytesError, match="incomplete"):
        await destination.verify(PART, delivery)


async def test_an_empty_file_is_complete_for_the_host_and_left_to_the_check(row: Row) -> None:
    async with host(reply(200, b"")) as there:
        assert await row.fetch(there.url) == b""


async def test_a_limit_on_the_bandwidth_lets_everything_through(tmp_path: Path, delivery: Delivery) -> None:
    async with (
        open_downloader(
            "127.0.0.1", tmp_path, DownloadOptions(stall_timeout=5), RateLimit(len(TRUTH) - 1)
        ) as transport,
        host(file(TRUTH)) as there,
    ):
        assert await Row(tmp_path, transport, delivery).fetch(there.url) == TRUTH


# Broken connections


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(None, id="cut"),
        pytest.param(Act.RESET, id="reset"),
        pytest.param(Act.STALL, id="stall", marks=pytest.mark.long),  # which others play as well
    ],
)
@pytest.mark.parametrize("at", [0, 1, int(len(TRUTH) * 0.45), len(TRUTH) - 1])
async def test_a_broken_download_keeps_what_came_and_resumes_there(
    row: Row, then: Act | None, at: int
) -> None:
    async with host(file(TRUTH, upto=at, then=then), file(TRUTH)) as there:
        await row.fail(there.url + PATH)
        assert row.delivery.durable == at
        assert row.on_disk == TRUTH[:at] + GARBAGE
        assert await row.fetch(there.url + PATH) == TRUTH
    assert there.heard[1].offset == (at or None)


async def test_a_connection_closed_before_any_answer_is_an_error(row: Row) -> None:
    def silent(_asked: Asked) -> Iterator[bytes]:
        yield b""

    async with host(silent) as there:
        await row.fail(there.url + PATH)


async def test_a_host_that_cannot_be_reached_is_an_error(row: Row) -> None:
    async with host(file(TRUTH)) as there:
        pass
    error = await row.fail(there.url + PATH)
    assert "cannot connect" in str(error)


async def test_a_download_that_breaks_at_every_step_comes_whole_in_the_end(row: Row) -> None:
    steps = range(10_000, len(TRUTH), 20_000)
    async with host(*(file(TRUTH, etag=ETAG, upto=at) for at in steps), file(TRUTH, etag=ETAG)) as there:
        for at in steps:
            await row.fail(there.url)
            assert row.delivery.durable == at
        assert await row.fetch(there.url) == TRUTH
    assert [asked.offset for asked in there.heard] == [None, *steps]


async def test_a_cancelled_download_keeps_what_came(tmp_path: Path, delivery: Delivery) -> None:
    async with (
        open_downloader("127.0.0.1", tmp_path, DownloadOptions(stall_timeout=30), RateLimit(0)) as transport,
        host(file(TRUTH, upto=HALF, then=Act.STALL), file(TRUTH)) as there,
    ):
        row = Row(tmp_path, transport, delivery)
        task = asyncio.create_task(row.fetch(there.url))
        while not row.starts:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        row.check()
        durable = row.delivery.durable
        assert durable == row.path.stat().st_size
        row.power_cut()
        assert await row.fetch(there.url) == TRUTH
    assert there.heard[1].offset == (durable or None)


# Answers to a request for the rest

AGREEING = {
    "no etag": file(TRUTH, honours_if_range=False),
    "the same etag": file(TRUTH, etag=ETAG),
    "the same etag, If-Range not honoured": file(TRUTH, etag=ETAG, honours_if_range=False),
}
STARTING_ANEW = {
    "ranges ignored": file(TRUTH, etag=ETAG, ranges=False),
    "ranges ignored, other file": file(OTHER, etag=NEW_ETAG, ranges=False),
    "other etag, If-Range honoured": file(OTHER, etag=NEW_ETAG),
    "other etag, If-Range not honoured": file(OTHER, etag=NEW_ETAG, honours_if_range=False),
    "longer file, no etag": file(LONGER),
    "longer file, If-Range honoured": file(LONGER, etag=NEW_ETAG),
    "longer file, the same etag": file(LONGER, etag=ETAG),
}
WRONG_RANGES = {
    "begins earlier": file(TRUTH, shift=-1),
    "begins later": file(TRUTH, shift=1),
    "does not name it": file(TRUTH, content_range=""),
    "names another unit": file(TRUTH, content_range="lines {first}-{last}/{size}"),
    "names no total": file(TRUTH, content_range="bytes {first}-{last}/*"),
    "ends early": file(TRUTH, content_range="bytes {first}-1000/{size}"),
    "names nonsense": file(TRUTH, content_range="bytes -{last}/{size}"),
}
CUTS = [1, int(len(TRUTH) * 0.45), len(TRUTH) - 1]


@pytest.mark.parametrize("at", CUTS)
@pytest.mark.parametrize("resumed", AGREEING.values(), ids=AGREEING)
async def test_the_rest_is_appended_where_the_host_agrees(row: Row, resumed: Answer, at: int) -> None:
    async with host(file(TRUTH, etag=ETAG, upto=at), resumed) as there:
        await row.fail(there.url)
        assert await row.fetch(there.url) == TRUTH
    assert row.starts[-1].offset == at
    assert there.heard[1].headers["if-range"] == ETAG


@pytest.mark.parametrize("at", CUTS)
@pytest.mark.parametrize("resumed", STARTING_ANEW.values(), ids=STARTING_ANEW)
async def test_other_bytes_are_fetched_from_the_beginning(row: Row, resumed: Answer, at: int) -> None:
    row.truths = (TRUTH, OTHER, LONGER)
    async with host(file(TRUTH, etag=ETAG, upto=at), resumed) as there:
        await row.fail(there.url)
        assert await row.fetch(there.url) in row.truths
    assert row.starts[-1].offset == 0


@pytest.mark.parametrize("wrong", WRONG_RANGES.values(), ids=WRONG_RANGES)
async def test_one_wrong_range_costs_an_attempt_and_no_byte(row: Row, wrong: Answer) -> None:
    async with host(file(TRUTH, upto=HALF), wrong, file(TRUTH)) as there:
        await row.fail(there.url)
        await row.fail(there.url)
        assert row.delivery.durable == HALF
        assert await row.fetch(there.url) == TRUTH
    assert row.starts[-1].offset == HALF


@pytest.mark.parametrize("wrong", WRONG_RANGES.values(), ids=WRONG_RANGES)
async def test_a_host_that_always_sends_a_wrong_range_is_asked_for_the_whole_file(
    row: Row, wrong: Answer
) -> None:
    async with host(file(TRUTH, upto=HALF), wrong) as there:
        await row.fail(there.url)
        assert await row.persist(there.url, tries=3) == TRUTH
    assert there.heard[-1].offset is None


@pytest.mark.parametrize("named", [f"bytes 0-{len(TRUTH) - 1}/{len(TRUTH) + 1}", "bytes 1-9/10", None])
async def test_a_range_that_was_not_asked_for_is_refused(row: Row, named: str | None) -> None:
    async with host(reply(206, TRUTH, Content_Range=named)) as there:
        await row.fail(there.url)
    assert not row.starts


async def test_the_whole_file_called_a_range_will_do(row: Row) -> None:
    async with host(reply(206, TRUTH, Content_Range=f"bytes 0-{len(TRUTH) - 1}/{len(TRUTH)}")) as there:
        assert await row.fetch(there.url) == TRUTH


async def test_another_file_of_equal_length_without_etag_is_left_to_the_zip_check(
    row: Row, tmp_path: Path, delivery: Delivery
) -> None:
    """Nothing in HTTP can tell: the splice is whole by length, and no zip."""
    destination = FilesystemDestination(tmp_path)
    await destination.prepare()
    row.truths = (TRUTH, TRUTH[:HALF] + OTHER[HALF:])
    async with host(file(TRUTH, upto=HALF), file(OTHER)) as there:
        await row.fail(there.url)
        splice = await row.fetch(there.url)
    (destination.partials / PART).write_bytes(splice)
    with pytest.raises(BadBytesError, match="cannot read"):
        await destination.verify(PART, delivery)


async def test_a_partial_shorter_than_the_row_says_resumes_at_its_end(row: Row) -> None:
    row.hold(TRUTH[:HALF], total=len(TRUTH))
    row.path.write_bytes(TRUTH[:1000])
    async with host(file(TRUTH)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert there.heard[0].offset == 1000


async def test_a_partial_that_is_gone_is_fetched_from_the_beginning(row: Row) -> None:
    row.hold(TRUTH[:HALF], total=len(TRUTH), validator=ETAG)
    row.path.unlink()
    async with host(file(TRUTH, etag=ETAG)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert there.heard[0].offset is None


async def test_a_longer_partial_than_the_row_says_is_cut_back(row: Row) -> None:
    row.hold(TRUTH[:1000], total=len(TRUTH))
    row.path.write_bytes(TRUTH[:1000] + GARBAGE)
    async with host(file(TRUTH)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert there.heard[0].offset == 1000


# 416


async def test_what_is_complete_needs_no_request(row: Row) -> None:
    row.hold(TRUTH, total=len(TRUTH), validator=ETAG)
    async with host(reply(500)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert not there.heard


async def test_a_host_that_asks_for_time_is_given_it(row: Row) -> None:
    async with host(reply(503, Retry_After="120")) as there:
        error = await row.fail(there.url)
    assert isinstance(error, BusyHostError)
    assert error.wait == 120


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(reply(429), BusyHostError, id="too many requests"),
        pytest.param(reply(503), HostError, id="unavailable"),
        pytest.param(reply(500, Retry_After="120"), HostError, id="failing, and says until when"),
        pytest.param(reply(200, TRUTH[:9], Act.RESET, Content_Length=99), HostError, id="cut"),
        pytest.param(reply(202, Retry_After="120"), TransferError, id="not ready yet"),
        pytest.param(reply(400), TransferError, id="bad request"),
        pytest.param(reply(200, Content_Type="text/html"), TransferError, id="a page"),
        pytest.param(reply(403), ForbiddenError, id="forbidden"),
        pytest.param(reply(404), LinkExpiredError, id="not there"),
    ],
)
async def test_what_a_failure_speaks_of_is_told_by_its_kind(
    row: Row, answer: Answer, kind: type[TransferError]
) -> None:
    """Of the host, of its having no time, of the link, or of this file alone."""
    async with host(answer) as there:
        error = await row.fail(there.url, kind)
    assert type(error) is kind


async def test_a_host_that_nobody_reaches_is_told_from_one_that_fails(row: Row) -> None:
    async with host(reply(500)) as there:
        answers = await row.fail(there.url, HostError)
    refuses = await row.fail(there.url, HostError)
    async with host(reply(200, b"", Act.RESET, Content_Length=9)) as there:
        cuts = await row.fail(there.url, HostError)
    assert isinstance(answers, HostError)
    assert isinstance(refuses, HostError)
    assert isinstance(cuts, HostError)
    assert (answers.reached, refuses.reached, cuts.reached) == (True, False, True)


async def test_a_validator_that_changes_with_each_link_is_not_asked_for_again(row: Row) -> None:
    """The whole file in answer to If-Range, although its length is the same: the next resume goes without."""
    row.hold(TRUTH[:HALF], total=len(TRUTH), validator='"of-the-first-link"')
    async with host(reply(200, TRUTH, ETag='"of-the-second-link"')) as there:
        assert await row.fetch(there.url) == TRUTH
    assert there.heard[0].headers["if-range"] == '"of-the-first-link"'
    row.hold(TRUTH[:HALF], **row.starts[-1].version.facts())
    async with host(file(TRUTH)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert "if-range" not in there.heard[0].headers


@pytest.mark.parametrize("named", [f"bytes */{len(TRUTH)}"])
async def test_nothing_is_fetched_again_where_the_host_has_nothing_beyond_what_we_hold(
    row: Row, named: str | None
) -> None:
    row.hold(TRUTH, total=None if named else len(TRUTH), validator=ETAG)
    async with host(reply(416, Content_Range=named)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert len(there.heard) == 1


@pytest.mark.parametrize("named", ["bytes */1000", f"bytes */{len(LONGER)}", None, "nonsense"])
async def test_a_file_that_is_shorter_now_is_fetched_from_the_beginning(row: Row, named: str | None) -> None:
    row.hold(TRUTH[:HALF], total=len(TRUTH))
    row.truths = (TRUTH, OTHER)
    async with host(reply(416, Content_Range=named), file(OTHER)) as there:
        assert await row.fetch(there.url) == OTHER
    assert [asked.offset for asked in there.heard] == [HALF, None]


async def test_a_416_to_a_request_for_everything_is_an_error(row: Row) -> None:
    async with host(reply(416, Content_Range="bytes */0")) as there:
        await row.fail(there.url)


# Refusals


@pytest.mark.parametrize("held", [0, HALF])
@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_expired_link_keeps_the_bytes(row: Row, status: int, held: int) -> None:
    row.hold(TRUTH[:held], total=len(TRUTH))
    async with host(reply(status, b"<html>gone</html>", Content_Type="text/html"), file(TRUTH)) as there:
        error = await row.fail(there.url + PATH, LinkExpiredError)
        assert str(status) in str(error)
        assert row.delivery.durable == held
        assert await row.fetch(there.url + PATH) == TRUTH
    assert there.heard[-1].offset == (held or None)


@pytest.mark.parametrize("held", [0, HALF])
@pytest.mark.parametrize("status", [204, 304, 400, 429, 500, 503])
async def test_any_other_answer_is_an_error_and_keeps_the_bytes(row: Row, status: int, held: int) -> None:
    row.hold(TRUTH[:held], total=len(TRUTH))
    async with host(reply(status), file(TRUTH)) as there:
        error = await row.fail(there.url + PATH)
        assert str(status) in str(error)
        assert row.delivery.durable == held
        assert await row.fetch(there.url + PATH) == TRUTH


@pytest.mark.parametrize("held", [0, HALF])
@pytest.mark.parametrize("attachment", ["delivery_zip", "thumbnail", "footprint"])
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json", "Text/HTML"])
async def test_a_page_instead_of_a_file_is_refused_before_a_byte_is_written(
    row: Row, kind: str, attachment: str, held: int
) -> None:
    row.delivery = replace(row.delivery, attachment=attachment)
    row.hold(TRUTH[:held], total=len(TRUTH))
    async with host(reply(200, b"<html>Sign in</html>", Content_Type=kind)) as there:
        error = await row.fail(there.url + PATH)
        assert "page" in str(error)
    assert not row.starts
    assert row.delivery.durable == held


async def test_wrong_leading_bytes_are_refused_before_a_byte_is_written(row: Row) -> None:
    async with host(reply(200, b"<html>Sign in</html>", Content_Type="application/zip")) as there:
        error = await row.fail(there.url + PATH)
        assert "leading bytes" in str(error)
    assert row.delivery.durable == 0
    assert not row.marks


async def test_a_footprint_may_be_called_xml(row: Row) -> None:
    row.delivery = replace(row.delivery, attachment="footprint")
    row.truths = (b"<kml></kml>",)
    async with host(reply(200, b"<kml></kml>", Content_Type="text/xml")) as there:
        assert await row.fetch(there.url) == b"<kml></kml>"


@pytest.mark.parametrize("held", [0, HALF])
@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP"])
async def test_a_compressed_answer_is_refused(row: Row, coding: str, held: int) -> None:
    row.hold(TRUTH[:held], total=len(TRUTH))
    rest = f"bytes {held}-{len(TRUTH) - 1}/{len(TRUTH)}"
    body = TRUTH[held:] if held else gzip.compress(TRUTH, 1)
    async with host(reply(206 if held else 200, body, Content_Encoding=coding, Content_Range=rest)) as there:
        error = await row.fail(there.url + PATH)
        assert "compressed" in str(error)
    assert row.delivery.durable == held


@pytest.mark.parametrize(
    "framing",
    [
        {"Content_Length": -5},
        {"Content_Length": "12, 13"},
        {"Content_Length": 10, "Transfer_Encoding": "chunked"},
        {"Content_Length": "9" * 5000},
        {"X": "y" * 100_000},
    ],
    ids=["negative", "twice", "two framings", "absurd", "header bomb"],
)
async def test_a_lying_frame_is_an_error_in_our_words(row: Row, framing: dict[str, object]) -> None:
    async with host(reply(200, TRUTH, **framing)) as there:
        await row.fail(there.url + PATH)


@pytest.mark.parametrize(
    "noise", [b"\x00\xff" * 100, b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 xyz\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n"]
)
async def test_what_is_no_http_is_an_error_in_our_words(row: Row, noise: bytes) -> None:
    def answer(_asked: Asked) -> Iterator[bytes]:
        yield noise

    async with host(answer) as there:
        await row.fail(there.url + PATH)


async def test_more_bytes_than_announced_are_not_taken(row: Row) -> None:
    async with host(reply(200, TRUTH + b"more", Content_Length=len(TRUTH))) as there:
        assert await row.fetch(there.url) == TRUTH


def chunked(data: bytes, end: bytes = b"0\r\n\r\n") -> Answer:
    def answer(_asked: Asked) -> Iterator[bytes]:
        yield head(200, {"Transfer-Encoding": "chunked"})
        for at in range(0, len(data), 40_000):
            piece = data[at : at + 40_000]
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
        yield end

    return answer
