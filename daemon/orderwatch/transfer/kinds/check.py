"""Checks that a complete partial is the promised file, and whole. Blocking: runs in a worker thread."""

import threading
from pathlib import Path

from orderwatch.core.deliveries.file_kind import FileKind, promised_kind
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.errors import BadBytesError
from orderwatch.ports import Fetched
from orderwatch.transfer.kinds.bounded_file import BoundedFile
from orderwatch.transfer.kinds.json_text import check_json
from orderwatch.transfer.kinds.leading_bytes import (
    HEAD_BYTES,
    PNG_MAGIC,
    TIFF_MAGICS,
    is_error,
    is_page,
    is_picture,
    is_text,
)
from orderwatch.transfer.kinds.png import check_png
from orderwatch.transfer.kinds.tiff import check_tiff
from orderwatch.transfer.zip.verify import check_zip, digest


def check_file(
    path: Path,
    delivery: Delivery,
    fetched: Fetched,
    stop: threading.Event,
    promise: Promise = NO_PROMISE,
) -> None:
    """Raise `BadBytesError` if the file is not the promised one, or not whole.

    Its content decides which check applies: labels of providers are often wrong. `fetched` has its size,
    sha256 and the CRCs that need no reading. Raises `InterruptedError` soon after `stop` is set.
    """
    kind = promised_kind(delivery.attachment, delivery.file_name, promise.media_type)
    with path.open("rb") as file:
        first = file.read(HEAD_BYTES)
    if not first:
        raise BadBytesError("the file is empty")
    if kind is FileKind.ZIP:
        check_zip(path, stop, fetched.crcs)
    else:
        _check_other(path, first, kind, stop, is_kept=promise.is_kept_by(fetched.size))
    _check_promise(path, fetched, promise, stop)


def _check_other(
    path: Path, first: bytes, kind: FileKind | None, stop: threading.Event, *, is_kept: bool
) -> None:
    """Check a file that is not promised as a zip; `is_kept` if it has the promised size."""
    if first.startswith(TIFF_MAGICS):
        with path.open("rb") as file:
            check_tiff(BoundedFile(file.fileno(), path.stat().st_size, "TIFF", stop))
    elif first.startswith(PNG_MAGIC):
        with path.open("rb") as file:
            check_png(BoundedFile(file.fileno(), path.stat().st_size, "picture", stop))
    elif is_picture(first) or kind is FileKind.PAGE:
        return
    elif is_page(first) and not is_kept:
        raise BadBytesError("the downloaded file is a web page")
    elif is_error(first) and not is_kept:
        raise BadBytesError("the downloaded file is an error message")
    elif kind is FileKind.TIFF or (kind is FileKind.PNG and is_text(first)):
        raise BadBytesError(f"the downloaded file is not a {kind}: wrong leading bytes")
    elif kind is FileKind.JSON:
        with path.open("rb") as file:
            check_json(BoundedFile(file.fileno(), path.stat().st_size, "JSON", stop))


def _check_promise(path: Path, fetched: Fetched, promise: Promise, stop: threading.Event) -> None:
    if mismatch := promise.size_mismatch(fetched.size, "the downloaded file has"):
        raise BadBytesError(mismatch)
    checksum = promise.checksum
    if checksum is None:
        return
    found = fetched.sha256
    if checksum.algorithm != "sha256":
        found = digest(path, stop, algorithm=checksum.algorithm)
    if found != checksum.digest:
        raise BadBytesError(f"the {checksum.algorithm} of the downloaded file is not the promised one")
