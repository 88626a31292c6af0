"""Interprets the response to a download request (RFC 9110, sections 14 and 15)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from orderwatch.core.model import Delivery
from orderwatch.core.retry_after import http_date, retry_after
from orderwatch.errors import BusyHostError, ForbiddenError, HostError, LinkExpiredError, TransferError

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")
UNRELIABLE = ""  # validator of a host whose ETags change although the file does not
_EXPIRED_STATUSES = {401, 404, 410}
_PAGE_TYPES = {"text/html", "application/xhtml+xml", "application/json"}
_XML_TYPES = {"application/xml", "text/xml"}  # an error page, except for a footprint
_MAGIC_BYTES = {"delivery_zip": b"PK\x03\x04"}


class FileChangedError(TransferError):
    """The file on the server is not the one that the partial was made of: start from the first byte."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from `start` up to, not including, `stop`; None stands for the end of the file."""

    start: int
    stop: int | None = None

    @property
    def header(self) -> str:
        """The value of the `Range` header."""
        return f"bytes={self.start}-{'' if self.stop is None else self.stop - 1}"


@dataclass(frozen=True, slots=True)
class Complete:
    """The partial already holds every byte that the server has."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The server's file still has the validator that was sent."""


@dataclass(frozen=True, slots=True)
class Body:
    """The requested bytes follow, or the whole file (`from_start`); `total` is the file's size."""

    from_start: bool
    total: int | None
    validator: str | None


Answer = Body | Complete | Unchanged


def request_headers(
    requested: ByteRange | None, delivery: Delivery, if_none_match: str | None = None
) -> dict[str, str]:
    """Return the headers of a request for these bytes of the file (None: the whole file)."""
    headers = {"Accept-Encoding": "identity"}
    if requested is not None:
        headers["Range"] = requested.header
        if delivery.validator:
            headers["If-Range"] = delivery.validator
    elif if_none_match:
        headers["If-None-Match"] = if_none_match
    return headers


def interpret(
    status: int,
    headers: Mapping[str, str],
    requested: ByteRange | None,
    delivery: Delivery,
    if_none_match: str | None = None,
) -> Answer:
    """Return what follows a request for these bytes (None: the whole file). Raises `TransferError`."""
    if requested is None and if_none_match and _is_unchanged(status, headers, if_none_match):
        return Unchanged()
    if status in _EXPIRED_STATUSES:
        raise LinkExpiredError(f"the download host returned {status}")
    if status == HTTPStatus.FORBIDDEN:
        raise ForbiddenError(f"the download host returned {status}")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and requested:
        return _unsatisfied(headers, requested, delivery)
    if status not in {200, 206}:
        raise _error_of(status, headers)
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TransferError("the download host compressed the file, although the request forbids it")
    kind = headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind in _PAGE_TYPES or (kind in _XML_TYPES and delivery.attachment != "footprint"):
        raise TransferError("the download host sent a page, not a file")
    if status == HTTPStatus.OK:  # some hosts ignore the range and send the whole file
        return _full_body(headers, requested, delivery)
    return _partial_body(headers, requested, delivery)


def _error_of(status: int, headers: Mapping[str, str]) -> TransferError:
    text = f"the download host returned {status}"
    wait = retry_after(headers.get("Retry-After"), http_date(headers.get("Date"))) or 0.0
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and wait):
        return BusyHostError(text, wait=wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return HostError(text, wait=wait)
    return TransferError(text, wait=wait)


def check_magic_bytes(attachment: str, first: bytes) -> None:
    """Raise `TransferError` if these first bytes cannot be those of the attachment."""
    expected = _MAGIC_BYTES.get(attachment, b"")
    if not first.startswith(expected[: len(first)]):
        raise TransferError(f"the downloaded bytes are not a {attachment}: wrong leading bytes")


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """Return the ETag if it is strong and not empty."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > len('""') else None


def _full_body(headers: Mapping[str, str], requested: ByteRange | None, delivery: Delivery) -> Body:
    total, validator = _content_length(headers), strong_validator(headers)
    if requested and delivery.validator and total == delivery.total:
        # Some hosts derive the ETag from the link's token: with it no download could ever be resumed.
        validator = UNRELIABLE
    return Body(from_start=True, total=total, validator=validator)


def _partial_body(headers: Mapping[str, str], requested: ByteRange | None, delivery: Delivery) -> Body:
    if requested is None:
        return _unrequested_range(headers)
    # A wrong range may be an accident; if it happens again, request the whole file.
    wrong = FileChangedError if delivery.attempts_without_progress else TransferError
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None:
        raise wrong("the download host sent a range without naming it")
    first, last, total = map(int, match.groups())
    validator = strong_validator(headers)
    if delivery.total not in (None, total) or _validators_differ(delivery.validator, validator):
        raise FileChangedError("the file behind the link has changed")
    if first != requested.start or last + 1 != (requested.stop or total):
        raise wrong("the download host sent another range than requested")
    kept = UNRELIABLE if delivery.validator == UNRELIABLE else validator or delivery.validator
    return Body(from_start=False, total=total, validator=kept)


def _unrequested_range(headers: Mapping[str, str]) -> Body:
    """Accept a range that was not requested if it is the whole file."""
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None or (int(match[1]), int(match[2]) + 1) != (0, int(match[3])):
        raise TransferError("the download host sent a range that was not requested")
    return Body(from_start=True, total=int(match[3]), validator=strong_validator(headers))


def _unsatisfied(headers: Mapping[str, str], requested: ByteRange, delivery: Delivery) -> Complete:
    match = _UNSATISFIED.fullmatch(headers.get("Content-Range", ""))
    total = int(match[1]) if match else delivery.total  # not every host names it
    if total == requested.start and delivery.total in (None, total):
        return Complete()
    raise FileChangedError("the file behind the link has become shorter")


def _is_unchanged(status: int, headers: Mapping[str, str], validator: str) -> bool:
    """Some hosts ignore `If-None-Match`, but send the same validator with the whole file."""
    return status == HTTPStatus.NOT_MODIFIED or (
        status == HTTPStatus.OK and strong_validator(headers) == validator
    )


def _content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _validators_differ(before: str | None, now: str | None) -> bool:
    return bool(before and now) and before != now
