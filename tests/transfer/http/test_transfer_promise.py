"""What contradicts the promise is refused before a byte is written, if the host's answer shows it."""

from dataclasses import replace

import pytest
from tests.transfer.kinds.kinds_kit import sample
from tests.transfer.transfer_kit import TRUTH, Answer, Row, file, host, reply

from orderwatch.core.deliveries.promise import Promise
from orderwatch.core.formatting import format_bytes
from orderwatch.errors import TransferError

TIFF = sample("cog-by-gdal.tif")
JSON = b'{"error": 3, "unit": "pixels", "of": "the registration of each band to the others"}'


async def test_another_length_than_the_promised_size_is_refused_before_a_byte_is_written(row: Row) -> None:
    row.promise = Promise(size=1_000_000)
    async with host(file(TRUTH, etag='"one"')) as there:
        error = await row.fail(there.url)
    size = format_bytes(len(TRUTH))
    assert str(error) == f"the provider promises 1.0 MB, but the download host has {size}"
    assert row.starts == []


async def test_bytes_that_are_held_outlast_a_wrong_promise(row: Row) -> None:
    row.hold(TRUTH[:1000], total=len(TRUTH), validator='"one"')
    row.promise = Promise(size=len(TRUTH) + 1)
    async with host(file(TRUTH, etag='"one"')) as there:
        await row.fail(there.url)
        assert row.delivery.durable == 1000
        row.promise = Promise(size=len(TRUTH))
        assert await row.fetch(there.url) == TRUTH
    assert there.heard[-1].offset == 1000


async def test_a_length_that_the_host_does_not_announce_is_no_contradiction(row: Row) -> None:
    row.promise = Promise(size=len(TRUTH))
    async with host(reply(200, TRUTH, Content_Length=None)) as there:
        assert await row.fetch(there.url) == TRUTH


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("image/tiff", b'{"a": 1}'),
        ("image/tiff", b"anything"),
        ("image/png", b"<kml/>"),
        ("application/zip", TIFF),
        ("application/json", b'{"message": "Forbidden"}'),
        ("application/json", b"<!DOCTYPE html><html></html>"),
        (None, b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'),
    ],
)
async def test_a_body_of_another_kind_is_refused(row: Row, media_type: str | None, body: bytes) -> None:
    row.delivery = replace(row.delivery, attachment="visual", file_name="a")
    row.promise = Promise(media_type=media_type)
    async with host(reply(200, body)) as there:
        error = await row.fail(there.url)
    assert "leading bytes" in str(error)
    assert row.starts == []


@pytest.mark.parametrize(
    ("promise", "answer", "data"),
    [
        (Promise(media_type="image/tiff"), reply(200, TIFF, Content_Type="application/json"), TIFF),
        (Promise(media_type="application/json"), reply(200, b"[1]", Content_Type="application/json"), b"[1]"),
        (Promise(media_type="text/html"), reply(200, b"<html>", Content_Type="text/html"), b"<html>"),
        (Promise(size=len(JSON)), reply(200, JSON, Content_Type="application/json"), JSON),
    ],
)
async def test_a_body_of_the_promised_kind_or_size_is_stored_whatever_the_host_calls_it(
    row: Row, promise: Promise, answer: Answer, data: bytes
) -> None:
    row.delivery, row.truths = replace(row.delivery, attachment="visual", file_name="a"), (data,)
    row.promise = promise
    async with host(answer) as there:
        assert await row.fetch(there.url) == data


async def test_a_promised_page_of_the_wrong_size_is_refused(row: Row) -> None:
    row.promise = Promise(media_type="text/html", size=7)
    async with host(reply(200, b"<html>")) as there:
        await row.fail(there.url, TransferError)
