"""A file is what its bytes are, and has to be what was promised."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.transfer.kinds.kinds_kit import sample
from tests.transfer.transfer_kit import PART, TRUTH

from orderwatch.core.deliveries.checksum import Checksum
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.formatting import format_bytes
from orderwatch.core.model import Delivery
from orderwatch.errors import BadBytesError
from orderwatch.ports import Fetched
from orderwatch.transfer.kinds.check import check_file
from orderwatch.transfer.tree.destination import FilesystemDestination

TIFF, PNG = sample("cog-by-gdal.tif"), sample("animated-by-pillow.png")
JPEG, KML, JSON = b"\xff\xd8\xff a JPEG", b'<?xml version="1.0"?><kml></kml>', b'{"type": "Point"}'
PAGE, S3_ERROR = (
    b"\n<!DOCTYPE html><html></html>",
    b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
)
ERROR = b'{"message": "Forbidden"}'


@pytest.fixture
def delivery(delivery: Delivery) -> Delivery:
    return replace(delivery, attachment="visual", file_name="a")


def check(folder: Path, delivery: Delivery, data: bytes, promise: Promise = NO_PROMISE) -> None:
    (folder / "file").write_bytes(data)
    fetched = Fetched(len(data), hashlib.sha256(data).hexdigest())
    check_file(folder / "file", delivery, fetched, threading.Event(), promise)


def refuse(folder: Path, delivery: Delivery, data: bytes, words: str, promise: Promise = NO_PROMISE) -> None:
    with pytest.raises(BadBytesError, match=words) as caught:
        check(folder, delivery, data, promise)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "media_type", "data"),
    [
        ("a.tif", None, TIFF),
        ("a", "image/tiff", TIFF),
        ("a.tif", None, PNG),  # labels of pictures are often wrong
        ("a.tif", None, JPEG),
        ("a.png", "image/png", TIFF),
        ("a.json", "application/json", TIFF),
        ("a.png", None, PNG),
        ("a.json", None, JSON),
        ("a", "application/geo+json", JSON),
        ("a.zip", None, TRUTH),
        ("a", "application/zip", TRUTH),
        ("a.kml", None, KML),
        ("a.html", None, PAGE),
        ("a", "text/html", PAGE),
        ("a", None, b"anything"),
        ("a", None, JSON),
    ],
)
def test_a_whole_file_of_the_promised_kind_is_accepted(
    tmp_path: Path, delivery: Delivery, name: str, media_type: str | None, data: bytes
) -> None:
    check(tmp_path, replace(delivery, file_name=name), data, Promise(media_type=media_type))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.tif", PAGE, "web page"),
        ("a.tif", S3_ERROR, "web page"),
        ("a.tif", ERROR, "error message"),
        ("a.tif", JSON, "not a TIFF"),
        ("a.tif", b"\0" * 100, "not a TIFF"),
        ("a.tif", TIFF[:-1], "TIFF is incomplete"),
        ("a", TIFF[:-1], "TIFF is incomplete"),
        ("a.png", PAGE, "web page"),
        ("a.png", KML, "not a PNG"),
        ("a.png", PNG[:-1], "picture is incomplete"),
        ("a", PNG[:-1], "picture is incomplete"),
        ("a.json", PAGE, "web page"),
        ("a.json", ERROR, "error message"),
        ("a.json", KML, "JSON is incomplete or damaged"),
        ("a.json", JSON[:-1], "JSON is incomplete or damaged"),
        ("a.zip", PAGE, "not a zip"),
        ("a.zip", TIFF, "not a zip"),
        ("a.zip", TRUTH[:-1], "incomplete"),
        ("a", PAGE, "web page"),
        ("a", ERROR, "error message"),
        *((name, b"", "not a zip" if name == "a.zip" else "empty") for name in ("a", "a.tif", "a.json")),
    ],
)
def test_another_file_and_half_a_file_are_refused(
    tmp_path: Path, delivery: Delivery, name: str, data: bytes, words: str
) -> None:
    refuse(tmp_path, replace(delivery, file_name=name), data, words)


@pytest.mark.parametrize("data", [PAGE, ERROR, S3_ERROR])
@pytest.mark.parametrize("name", ["a", "a.xml"])
def test_what_looks_like_an_error_is_the_file_if_it_has_the_promised_size(
    tmp_path: Path, delivery: Delivery, name: str, data: bytes
) -> None:
    delivery = replace(delivery, file_name=name)
    check(tmp_path, delivery, data, Promise(size=len(data)))
    refuse(tmp_path, delivery, data, "page|error", Promise(size=len(data) + 1))
    refuse(tmp_path, replace(delivery, file_name="a.tif"), data, "not a TIFF", Promise(size=len(data)))


def test_another_size_than_the_promised_one_is_refused(tmp_path: Path, delivery: Delivery) -> None:
    check(tmp_path, delivery, TIFF, Promise(size=len(TIFF)))
    words = f"the provider promises 1.0 MB, but the downloaded file has {format_bytes(len(TIFF))}"
    refuse(tmp_path, delivery, TIFF, words, Promise(size=1_000_000))


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_another_checksum_than_the_promised_one_is_refused(
    tmp_path: Path, delivery: Delivery, algorithm: str
) -> None:
    for data in (TIFF, JPEG, b"anything"):
        right = Checksum(algorithm, hashlib.new(algorithm, data).hexdigest())
        check(tmp_path, delivery, data, Promise(checksum=right))
        wrong = Checksum(algorithm, hashlib.new(algorithm, data + b"x").hexdigest())
        refuse(tmp_path, delivery, data, f"{algorithm} of", Promise(checksum=wrong))


async def test_the_destination_verifies_by_the_promise(tmp_path: Path, delivery: Delivery) -> None:
    destination = FilesystemDestination(tmp_path)
    await destination.prepare()
    (destination.partials / PART).write_bytes(TIFF)
    checked = await destination.verify(PART, delivery, promise=Promise(size=len(TIFF)))
    assert checked.size == len(TIFF)
    with pytest.raises(BadBytesError):
        await destination.verify(PART, delivery, promise=Promise(size=1))


async def test_bytes_that_were_verified_before_a_crash_need_no_promise(
    tmp_path: Path, delivery: Delivery
) -> None:
    destination = FilesystemDestination(tmp_path)
    await destination.prepare()
    (destination.partials / PART).write_bytes(PAGE)
    checked = await destination.verify(PART, delivery, promise=Promise(size=len(PAGE)))
    intended = replace(delivery, size=checked.size, sha256=checked.sha256)
    assert await destination.verify(PART, intended) == checked
