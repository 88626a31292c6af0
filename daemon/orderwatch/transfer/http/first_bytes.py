"""Decides by its first bytes whether a body is the file: the labels of hosts are often wrong."""

import re
from pathlib import PurePosixPath

from orderwatch.core.model import Delivery
from orderwatch.errors import TransferError

HEAD_BYTES = 64  # enough for `check_first_bytes`
_ZIP_MAGIC = b"PK"  # the records of a zip begin so; the check of the whole file decides
_PICTURE_MAGICS = (
    b"\x89PNG",
    b"\xff\xd8\xff",  # JPEG
    b"II*\0",
    b"MM\0*",  # TIFF
    b"II+\0",
    b"MM\0+",  # BigTIFF
    b"GIF8",
    b"RIFF",  # WebP
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PAGE = re.compile(rb"<(!doctype html|html)", re.IGNORECASE)
_ERROR = re.compile(
    rb'\{\s*("(status|statuscode|code|timestamp|success)"\s*:[^,]*,\s*){0,2}"(error|errors|message|detail|fault)"',
    re.IGNORECASE,
)
_PICTURES = frozenset({"preview", "thumbnail"})
_PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".jp2"})
_TEXT_SUFFIXES = frozenset({".json", ".geojson", ".xml", ".kml", ".gml", ".svg"})


def check_first_bytes(delivery: Delivery, first: bytes, doubt: str | None = None) -> None:
    """Raise `TransferError` if these bytes, at least `HEAD_BYTES` or all, do not begin the delivery's file.

    `doubt` is why the headers do not look like those of a file: then the bytes have to.
    """
    if delivery.attachment == "delivery_zip":
        is_file, is_other = _begins(first, _ZIP_MAGIC), True
    else:
        is_file, is_other = _looks_like(delivery, first), _looks_unlike(delivery, first)
    if is_file or (not first and doubt is None):
        return
    if doubt is not None:
        raise TransferError(doubt)
    if is_other:
        raise TransferError(f"the downloaded bytes are not a {delivery.attachment}: wrong leading bytes")


def _looks_like(delivery: Delivery, first: bytes) -> bool:
    """Return whether the bytes begin a picture, or text if the file is one."""
    if any(_begins(first, magic) for magic in _PICTURE_MAGICS):
        return True
    return _is_text(delivery) and _text(first)[:1] in {b"{", b"[", b"<"} and not _is_page_or_error(first)


def _looks_unlike(delivery: Delivery, first: bytes) -> bool:
    """Return whether the bytes begin a page or an error, or text instead of a picture."""
    is_picture = delivery.attachment in _PICTURES or _suffix(delivery) in _PICTURE_SUFFIXES
    return _is_page_or_error(first) or (is_picture and _text(first)[:1] in {b"{", b"[", b"<"})


def _is_page_or_error(first: bytes) -> bool:
    return bool(_PAGE.match(_text(first)) or _ERROR.match(_text(first)))


def _is_text(delivery: Delivery) -> bool:
    return delivery.attachment == "footprint" or _suffix(delivery) in _TEXT_SUFFIXES


def _suffix(delivery: Delivery) -> str:
    return PurePosixPath(delivery.file_name).suffix.lower()


def _text(first: bytes) -> bytes:
    return first.removeprefix(_BYTE_ORDER_MARK).lstrip()


def _begins(first: bytes, magic: bytes) -> bool:
    """Return whether there are bytes and they begin with the magic ones, as far as they go."""
    return first != b"" and first.startswith(magic[: len(first)])
