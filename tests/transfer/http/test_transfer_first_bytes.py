"""Labels do not decide over bytes: what begins as the file is the file, a page is refused."""

import gzip
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.transfer.transfer_kit import TRUTH, Asked, Row, head, host, reply

from orderwatch.core.model import Delivery
from orderwatch.errors import TransferError
from orderwatch.transfer.http.first_bytes import check_first_bytes
from orderwatch.transfer.kinds.leading_bytes import HEAD_BYTES

DOUBT = "the download host sent a page, not a file"
PAGE = b"<!DOCTYPE html><html><body>Please sign in</body></html>"
GEOJSON = b'{"type": "Polygon", "coordinates": [[[4.0, 51.9], [4.1, 51.9], [4.1, 52.0], [4.0, 51.9]]]}'
KML = b'<?xml version="1.0"?><kml></kml>'
PNG, JPEG, TIFF, BIGTIFF, WEBP, JP2 = (
    magic + bytes(HEAD_BYTES)
    for magic in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0+", b"RIFF", b"\0\0\0\x0cjP  ")
)


def of(delivery: Delivery, attachment: str, file_name: str = "a") -> Delivery:
    return replace(delivery, attachment=attachment, file_name=file_name)


@pytest.mark.parametrize("doubt", [None, DOUBT])
@pytest.mark.parametrize(
    ("attachment", "file_name", "first"),
    [
        ("delivery_zip", "a.zip", TRUTH[:HEAD_BYTES]),
        ("delivery_zip", "a.zip", b"PK\7\x08PK\3\4"),
        ("delivery_zip", "a.zip", b"PK\5\6" + bytes(18)),
        ("delivery_zip", "a.zip", b"PK00PK\3\4"),
        ("delivery_zip", "a.zip", b"P"),
        ("thumbnail", "a.png", PNG),
        ("thumbnail", "a.png", PNG[:1]),
        ("preview", "a", JPEG),
        ("preview", "a.tif", TIFF),
        ("preview", "a.tif", BIGTIFF),
        ("analytic", "a.webp", WEBP),
        ("analytic", "a.jp2", JP2),
        ("footprint", "a", GEOJSON[:HEAD_BYTES]),
        ("footprint", "a.geojson", b"\xef\xbb\xbf\r\n" + GEOJSON[:50]),
        ("footprint", "a.kml", KML),
        ("metadata", "a.json", b'[{"id": 1}]'),
    ],
)
def test_what_begins_as_the_file_is_the_file(
    delivery: Delivery, attachment: str, file_name: str, first: bytes, doubt: str | None
) -> None:
    check_first_bytes(of(delivery, attachment, file_name), first, doubt)


@pytest.mark.parametrize("doubt", [None, DOUBT])
@pytest.mark.parametrize(
    ("attachment", "file_name", "first"),
    [
        *((kind, "a", PAGE) for kind in ("delivery_zip", "thumbnail", "footprint", "analytic")),
        *((kind, "a.tif", b"\n <HTML>") for kind in ("thumbnail", "footprint", "analytic")),
        ("thumbnail", "a", b'{"status": 404}'),
        ("thumbnail", "a", b'[{"id": 1}]'),
        ("analytic", "a.tif", b'{"a": 1}'),
        ("preview", "a", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
        ("footprint", "a.json", b'{"error": "not found"}'),
        ("footprint", "a.json", b'{ "message" : "Forbidden"}'),
        ("footprint", "a.json", b'{"detail": "Not found."}'),
        ("footprint", "a.json", b'{"status": 404, "error": "Not Found"}'),
        ("delivery_zip", "a.zip", b"\x1f\x8b\x08"),
        ("delivery_zip", "a.zip", b"QK\3\4"),
    ],
)
def test_a_page_and_an_error_are_refused_whatever_they_are_called(
    delivery: Delivery, attachment: str, file_name: str, first: bytes, doubt: str | None
) -> None:
    with pytest.raises(TransferError, match=doubt or "leading bytes"):
        check_first_bytes(of(delivery, attachment, file_name), first, doubt)


@pytest.mark.parametrize("first", [b"", gzip.compress(GEOJSON, mtime=0), b"\x28\xb5\x2f\xfd\0", b"anything"])
@pytest.mark.parametrize("attachment", ["delivery_zip", "thumbnail", "footprint", "analytic"])
def test_in_doubt_the_bytes_have_to_be_those_of_the_file(
    delivery: Delivery, attachment: str, first: bytes
) -> None:
    with pytest.raises(TransferError, match="page"):
        check_first_bytes(of(delivery, attachment), first, DOUBT)


@pytest.mark.parametrize("first", [b"", b"anything"])
def test_a_file_of_unknown_kind_may_begin_with_anything(delivery: Delivery, first: bytes) -> None:
    check_first_bytes(of(delivery, "analytic"), first)


@pytest.mark.parametrize(
    "label",
    [
        {"Content_Encoding": "aws-chunked"},
        {"Content_Encoding": "binary"},
        {"Content_Encoding": "UTF-8"},
        {"Content_Encoding": ""},
        {"Content_Encoding": "gzip"},
        {"Content_Encoding": "aws-chunked, br"},
        {"Content_Type": "text/html"},
        {"Content_Type": "application/json; charset=utf-8"},
        {"Content_Type": "application/xml"},
    ],
    ids=str,
)
async def test_a_zip_that_begins_as_one_is_stored_whatever_it_is_called(
    row: Row, label: dict[str, str]
) -> None:
    async with host(reply(200, TRUTH, **label)) as there:
        assert await row.fetch(there.url) == TRUTH


async def test_a_json_footprint_called_json_is_stored(row: Row) -> None:
    row.delivery, row.truths = of(row.delivery, "footprint"), (GEOJSON,)
    async with host(reply(200, GEOJSON, Content_Type="application/json")) as there:
        assert await row.fetch(there.url) == GEOJSON


async def test_a_page_in_single_bytes_is_refused_before_a_byte_is_written(row: Row) -> None:
    row.delivery = of(row.delivery, "thumbnail")

    def drips(_asked: Asked) -> Iterator[bytes]:
        yield head(200, {"Content-Length": len(PAGE)})
        yield from (bytes([byte]) for byte in PAGE)

    async with host(drips) as there:
        await row.fail(there.url)
    assert not row.starts
    assert row.delivery.durable == 0
