"""Decides by its first bytes whether a body is the file: the labels of hosts are often wrong."""

from pathlib import PurePosixPath

from orderwatch.core.deliveries.file_kind import FileKind, promised_kind
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.errors import TransferError
from orderwatch.transfer.kinds.leading_bytes import begins, is_error, is_page, is_picture, is_text

_ZIP_MAGIC = b"PK"  # the records of a zip begin so; the check of the whole file decides
_PICTURES = frozenset({"preview", "thumbnail"})
_PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".jp2"})
_TEXT_SUFFIXES = frozenset({".json", ".geojson", ".xml", ".kml", ".gml", ".svg"})


def check_first_bytes(
    delivery: Delivery,
    first: bytes,
    doubt: str | None = None,
    promise: Promise = NO_PROMISE,
    total: int | None = None,
) -> None:
    """Raise `TransferError` if these bytes, at least `HEAD_BYTES` or all, do not begin the delivery's file.

    `doubt` is why the headers do not look like those of a file: then the bytes have to. `total` is the size
    of the body: no page or error has just the promised one.
    """
    kind = promised_kind(delivery.attachment, delivery.file_name, promise.media_type)
    if kind is FileKind.ZIP:
        is_file, is_other = begins(first, _ZIP_MAGIC), True
    elif kind is FileKind.TIFF:
        is_file, is_other = is_picture(first), True
    elif kind is FileKind.PAGE:
        is_file, is_other = True, False
    else:
        is_sure = promise.is_kept_by(total) and kind is not FileKind.PNG
        is_file, is_other = (
            is_sure or _looks_like(delivery, kind, first),
            _looks_unlike(delivery, kind, first),
        )
    if is_file or (not first and doubt is None):
        return
    if doubt is not None:
        raise TransferError(doubt)
    if is_other:
        raise TransferError(f"the downloaded bytes are not a {delivery.attachment}: wrong leading bytes")


def _looks_like(delivery: Delivery, kind: FileKind | None, first: bytes) -> bool:
    """Return whether the bytes begin a picture, or text if the file is one."""
    return is_picture(first) or (_is_text(delivery, kind) and is_text(first) and not _is_page_or_error(first))


def _looks_unlike(delivery: Delivery, kind: FileKind | None, first: bytes) -> bool:
    """Return whether the bytes begin a page or an error, or text instead of a picture."""
    return _is_page_or_error(first) or (_is_picture(delivery, kind) and is_text(first))


def _is_page_or_error(first: bytes) -> bool:
    return is_page(first) or is_error(first)


def _is_picture(delivery: Delivery, kind: FileKind | None) -> bool:
    is_named_so = delivery.attachment in _PICTURES or _suffix(delivery) in _PICTURE_SUFFIXES
    return kind is FileKind.PNG or (kind is None and is_named_so)


def _is_text(delivery: Delivery, kind: FileKind | None) -> bool:
    is_named_so = delivery.attachment == "footprint" or _suffix(delivery) in _TEXT_SUFFIXES
    return kind is FileKind.JSON or (kind is None and is_named_so)


def _suffix(delivery: Delivery) -> str:
    return PurePosixPath(delivery.file_name).suffix.lower()
