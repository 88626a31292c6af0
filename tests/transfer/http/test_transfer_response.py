"""What an answer of a download host means, by tables: requests, ranges, 416, whole files, failures."""

from dataclasses import replace

import pytest

from orderwatch.core.deliveries.file_version import FileVersion, RefusedFile
from orderwatch.core.model import Delivery
from orderwatch.errors import (
    BusyHostError,
    DiskError,
    ForbiddenError,
    HostError,
    LinkExpiredError,
    RefusedBytesError,
    TransferError,
)
from orderwatch.transfer.http.response import (
    Body,
    ByteRange,
    Complete,
    FileChangedError,
    LinkTagError,
    Unchanged,
    interpret,
    may_resume,
    needs_whole_file,
    request_headers,
)

OLD, OTHER_DATE, NOW = (f"Sun, 22 Nov 2026 {time} GMT" for time in ("12:00:00", "12:30:00", "13:00:00"))
TAG, OTHER_TAG, WEAK, OTHER_WEAK = '"a"', '"b"', 'W/"a"', 'W/"b"'
SIZE, HELD = 1000, 400
REST = ByteRange(HELD)
KNOWN = FileVersion(SIZE, TAG, None, OLD, NOW)


def held(
    delivery: Delivery, version: FileVersion = KNOWN, kind: str = "delivery_zip", barren: int = 0
) -> Delivery:
    """A delivery of which the first bytes are here."""
    described = replace(delivery, attachment=kind, durable=HELD, attempts_without_progress=barren)
    return described.described_by(version)


def told(etag: str | None = TAG, modified: str | None = OLD, **more: object) -> dict[str, str]:
    named = {"ETag": etag, "Last-Modified": modified, "Date": NOW}
    named |= {name.replace("_", "-"): str(value) for name, value in more.items() if value is not None}
    return {name: value for name, value in named.items() if value is not None}


def rest(total: int = SIZE, first: int = HELD) -> str:
    return f"bytes {first}-{total - 1}/{total}"


# The request


@pytest.mark.parametrize("kind", ["delivery_zip", "thumbnail"])
@pytest.mark.parametrize(
    ("version", "condition"),
    [
        (KNOWN, TAG),
        (FileVersion(SIZE, None, WEAK, OLD, NOW), OLD),
        (FileVersion(SIZE, None, None, OLD, NOW), OLD),
    ],
)
def test_the_rest_is_requested_on_condition_that_the_file_is_the_same(
    delivery: Delivery, kind: str, version: FileVersion, condition: str
) -> None:
    known = held(delivery, version, kind)
    assert may_resume(known)
    assert request_headers(REST, known) == {
        "Accept-Encoding": "identity",
        "Range": f"bytes={HELD}-",
        "If-Range": condition,
    }


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(FileVersion(SIZE), id="nothing"),
        pytest.param(FileVersion(SIZE, None, WEAK), id="a weak tag"),
        pytest.param(FileVersion(SIZE, None, None, OLD, OLD), id="a young date"),
        pytest.param(FileVersion(SIZE, TAG, None, OLD, OLD), id="a tag and a young date"),
    ],
)
def test_without_a_voucher_only_a_file_with_checksums_is_resumed(
    delivery: Delivery, version: FileVersion
) -> None:
    assert may_resume(held(delivery, version))
    assert not may_resume(held(delivery, version, "thumbnail"))


def test_a_request_for_the_whole_file_has_no_condition(delivery: Delivery) -> None:
    assert request_headers(None, held(delivery)) == {"Accept-Encoding": "identity"}


# A range


@pytest.mark.parametrize("kind", ["delivery_zip", "thumbnail"])
@pytest.mark.parametrize("label", [{}, {"Content_Type": "text/html"}, {"Content_Encoding": "aws-chunked"}])
def test_a_range_of_the_same_file_goes_on_whatever_it_is_called(
    delivery: Delivery, kind: str, label: dict[str, str]
) -> None:
    answer = interpret(206, told(Content_Range=rest(), **label), REST, held(delivery, kind=kind))
    assert answer == Body(from_start=False, version=KNOWN)


@pytest.mark.parametrize("kind", ["delivery_zip", "thumbnail"])
@pytest.mark.parametrize(
    ("known", "answer"),
    [
        pytest.param(KNOWN, told(Content_Range=rest(SIZE + 1)), id="size"),
        pytest.param(KNOWN, told(modified=OTHER_DATE, Content_Range=rest()), id="date, cached tag"),
        pytest.param(KNOWN, told(OTHER_TAG, OTHER_DATE, Content_Range=rest()), id="tag and date"),
        pytest.param(KNOWN, told(OTHER_TAG, None, Content_Range=rest()), id="tag, date gone"),
        pytest.param(
            FileVersion(SIZE, None, WEAK), told(OTHER_WEAK, None, Content_Range=rest()), id="weak tag"
        ),
        pytest.param(
            FileVersion(SIZE, None, None, OLD, OLD),
            told(None, OTHER_DATE, Content_Range=rest()),
            id="young date",
        ),
    ],
)
def test_a_range_of_another_file_is_not_appended(
    delivery: Delivery, kind: str, known: FileVersion, answer: dict[str, str]
) -> None:
    with pytest.raises(FileChangedError):
        interpret(206, answer, REST, held(delivery, known, kind))


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        pytest.param(KNOWN, told(None, None, Content_Range=rest()), id="nothing shown"),
        pytest.param(KNOWN, told(OTHER_TAG, Content_Range=rest()), id="another tag, the same date"),
        pytest.param(FileVersion(SIZE, None, WEAK), told(WEAK, None, Content_Range=rest()), id="a weak tag"),
    ],
)
def test_what_only_a_zip_can_do_without_is_refused_for_others(
    delivery: Delivery, known: FileVersion, answer: dict[str, str]
) -> None:
    assert isinstance(interpret(206, answer, REST, held(delivery, known)), Body)
    with pytest.raises(FileChangedError):
        interpret(206, answer, REST, held(delivery, known, "thumbnail"))


def test_a_compressed_range_is_refused(delivery: Delivery) -> None:
    with pytest.raises(TransferError, match="compressed"):
        interpret(206, told(Content_Range=rest(), Content_Encoding="gzip"), REST, held(delivery))


# The whole file in answer to a range


def test_a_tag_that_changes_alone_is_left_out_of_the_next_request(delivery: Delivery) -> None:
    known = held(delivery)
    with pytest.raises(LinkTagError):
        interpret(200, told(OTHER_TAG, Content_Length=SIZE), REST, known)
    without = known.described_by(known.file_version.without_tags())
    assert request_headers(REST, without)["If-Range"] == OLD
    answer = interpret(206, told(OTHER_TAG, Content_Range=rest()), REST, without)
    assert isinstance(answer, Body)
    assert not answer.from_start


@pytest.mark.parametrize("kind", ["delivery_zip", "thumbnail"])
def test_a_real_change_keeps_the_new_file_protected(delivery: Delivery, kind: str) -> None:
    answer = interpret(200, told(OTHER_TAG, OTHER_DATE, Content_Length=SIZE), REST, held(delivery, kind=kind))
    assert answer == Body(from_start=True, version=FileVersion(SIZE, OTHER_TAG, None, OTHER_DATE, NOW))
    assert request_headers(REST, held(delivery, answer.version, kind))["If-Range"] == OTHER_TAG


def test_another_tag_of_a_file_without_checksums_is_another_file(delivery: Delivery) -> None:
    answer = interpret(200, told(OTHER_TAG, Content_Length=SIZE), REST, held(delivery, kind="thumbnail"))
    assert isinstance(answer, Body)
    assert (answer.from_start, answer.validator, answer.version.tag_changes) == (True, OTHER_TAG, 0)


# 416


@pytest.mark.parametrize("claimed", [None, HELD, SIZE])
def test_a_zip_is_complete_where_the_host_has_no_more_whatever_it_claimed(
    delivery: Delivery, claimed: int | None
) -> None:
    known = held(delivery, replace(KNOWN, total=claimed))
    assert interpret(416, {"Content-Range": f"bytes */{HELD}"}, REST, known) == Complete()


@pytest.mark.parametrize(
    ("answer", "is_complete"),
    [
        (told(), True),
        (told(None), True),
        (told(None, None), False),
        (told(OTHER_TAG), False),
        (told(modified=OTHER_DATE), False),
    ],
)
def test_another_file_is_complete_only_if_the_host_shows_that_it_is_the_same(
    delivery: Delivery,
    answer: dict[str, str],
    is_complete: bool,  # noqa: FBT001 - a table's column
) -> None:
    known, named = held(delivery, kind="thumbnail"), {"Content-Range": f"bytes */{HELD}"}
    if is_complete:
        assert interpret(416, answer | named, REST, known) == Complete()
    else:
        with pytest.raises(FileChangedError):
            interpret(416, answer | named, REST, known)


@pytest.mark.parametrize("named", [f"bytes */{HELD - 1}", f"bytes */{SIZE}", "bytes */x", ""])
def test_a_416_of_another_size_is_another_file(delivery: Delivery, named: str) -> None:
    with pytest.raises(FileChangedError):
        interpret(416, {"Content-Range": named}, REST, held(delivery))


def test_a_416_to_a_gap_completes_nothing(delivery: Delivery) -> None:
    with pytest.raises(FileChangedError):
        interpret(416, {"Content-Range": f"bytes */{HELD}"}, ByteRange(HELD, 900), held(delivery))


# The whole file


def test_the_file_whose_bytes_were_wrong_is_not_read_again(delivery: Delivery) -> None:
    refused = replace(delivery, refused_sha256="ab", refused=RefusedFile(KNOWN, "why"))
    with pytest.raises(RefusedBytesError):
        interpret(200, told(Content_Length=SIZE), None, refused)
    for other in (told(OTHER_TAG), told(modified=OTHER_DATE), told(None, None), told(Content_Length=9)):
        assert isinstance(interpret(200, {"Content-Length": str(SIZE)} | other, None, refused), Body)


def test_the_stored_file_is_recognised_only_in_a_request_for_everything(delivery: Delivery) -> None:
    answer = told(Content_Length=SIZE)
    assert interpret(200, answer, None, delivery, KNOWN) == Unchanged()
    assert isinstance(interpret(200, answer, REST, held(delivery), KNOWN), Body)


@pytest.mark.parametrize("text", ["", "today", "Sun, 22 Nov 2026 12:00:00 GMT" + " " * 99])
def test_a_date_that_is_none_is_not_kept(delivery: Delivery, text: str) -> None:
    answer = interpret(200, {"Last-Modified": text, "Date": text}, None, delivery)
    assert isinstance(answer, Body)
    assert answer.version == FileVersion()


# After a refusal


@pytest.mark.parametrize(
    ("error", "first_at"),
    [
        (FileChangedError("other"), 0),
        (TransferError("400"), 1),
        (ForbiddenError("403"), 1),
        (HostError("500"), 5),
        (HostError("no route", reached=False), None),
        (LinkExpiredError("404"), None),
        (BusyHostError("429"), None),
        (DiskError("full"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_host_that_dislikes_ranges_is_asked_for_the_whole_file(
    delivery: Delivery, error: TransferError, first_at: int | None
) -> None:
    """After as many attempts without a byte. An outage and an expired link say nothing of ranges."""
    asked = [barren for barren in range(10) if needs_whole_file(error, held(delivery, barren=barren))]
    assert asked == ([] if first_at is None else [*range(first_at, 10)])
