"""Interprets the response to a download request (RFC 9110, sections 13 to 15)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.model import Delivery
from orderwatch.core.retry_after import http_date, retry_after
from orderwatch.errors import (
    BusyHostError,
    DiskError,
    ForbiddenError,
    HostError,
    LinkExpiredError,
    RefusedBytesError,
    TransferError,
    UnauthorizedError,
)

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_ETAG = re.compile(r'(W/)?".+"')
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")
_EXPIRED_STATUSES = {401, 404, 410}
_PAGE_TYPES = {"text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml"}
_CODINGS = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}  # other words are labels
_MAX_DATE_CHARACTERS = 64
_HOST_FAILURES_BEFORE_WHOLE = 5  # an outage passes, and the bytes we hold are worth waiting for


class FileChangedError(TransferError):
    """The file on the server is not the one that the partial was made of: request the whole file."""


class LinkTagError(TransferError):
    """The ETag names the link, not the file: request the rest again without it."""


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
    """The server's file is the stored one."""


@dataclass(frozen=True, slots=True)
class Body:
    """The requested bytes follow, or the whole file (`from_start`), which is this `version`.

    `doubt` is why the headers do not look like those of a file; the first bytes decide.
    """

    from_start: bool
    version: FileVersion
    doubt: str | None = None

    @property
    def total(self) -> int | None:
        return self.version.total

    @property
    def validator(self) -> str | None:
        return self.version.validator


Answer = Body | Complete | Unchanged


def may_resume(delivery: Delivery) -> bool:
    """Return whether the rest of the file may be requested; else it is downloaded from its first byte."""
    return delivery.proves_itself or delivery.file_version.vouches


def request_headers(requested: ByteRange | None, delivery: Delivery) -> dict[str, str]:
    """Return the headers of a request for these bytes of the file, or for the whole file (None)."""
    headers = {"Accept-Encoding": "identity"}
    if requested is not None:
        headers["Range"] = requested.header
        if condition := delivery.file_version.if_range:
            headers["If-Range"] = condition
    return headers


def interpret(
    status: int,
    headers: Mapping[str, str],
    requested: ByteRange | None,
    delivery: Delivery,
    stored: FileVersion | None = None,
    *,
    is_authorized: bool = False,
) -> Answer:
    """Return what follows a request for these bytes (None: the whole file). Raises `TransferError`.

    `stored` is the newest stored version, which the whole file may equal. If the request had the account's
    headers (`is_authorized`), 403 means that they have expired, not that there are too many connections.
    """
    if is_authorized and status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise UnauthorizedError(f"the download host returned {status} to the account's credentials")
    if status in _EXPIRED_STATUSES:
        raise LinkExpiredError(f"the download host returned {status}")
    if status == HTTPStatus.FORBIDDEN:
        raise ForbiddenError(f"the download host returned {status}")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and requested:
        return _unsatisfied(headers, requested, delivery)
    if status not in {200, 206}:
        raise _error_of(status, headers)
    if status == HTTPStatus.OK:  # some hosts ignore the range and send the whole file
        return _whole_body(_version(headers, _content_length(headers)), headers, requested, delivery, stored)
    if requested is None:
        total = _total_of_everything(headers)
        return _whole_body(_version(headers, total), headers, requested, delivery, stored)
    return _partial_body(headers, requested, delivery)


def needs_whole_file(error: TransferError, delivery: Delivery) -> bool:
    """Return whether the whole file is requested after a request for its rest was answered so.

    Some hosts and firewalls dislike nothing but ranges. What is held is discarded only when the whole file
    arrives.
    """
    if isinstance(error, FileChangedError):
        return True
    if isinstance(error, HostError):
        return error.reached and delivery.attempts_without_progress >= _HOST_FAILURES_BEFORE_WHOLE
    is_of_link = isinstance(error, LinkExpiredError) and not isinstance(error, ForbiddenError)
    if is_of_link or isinstance(error, BusyHostError | DiskError):
        return False
    return delivery.attempts_without_progress > 0


def _error_of(status: int, headers: Mapping[str, str]) -> TransferError:
    text = f"the download host returned {status}"
    wait = retry_after(headers.get("Retry-After"), http_date(headers.get("Date"))) or 0.0
    if status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and wait):
        return BusyHostError(text, wait=wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return HostError(text, wait=wait)
    return TransferError(text, wait=wait)


def _whole_body(
    found: FileVersion,
    headers: Mapping[str, str],
    requested: ByteRange | None,
    delivery: Delivery,
    stored: FileVersion | None,
) -> Body | Unchanged:
    known, refused = delivery.file_version, delivery.refused
    if requested is None and stored is not None and stored.agrees_fully_with(found):
        return Unchanged()
    if refused is not None and refused.version.is_certainly(found):
        raise RefusedBytesError("the download host still has the file whose bytes were wrong")
    if delivery.proves_itself:
        if requested is not None and known.has_tags_of_link(found):
            raise LinkTagError("the download host identifies the link, not the file")
        found = known.replaced_by(found)
    return Body(from_start=True, version=found, doubt=_doubt(headers))


def _partial_body(headers: Mapping[str, str], requested: ByteRange, delivery: Delivery) -> Body:
    """Return the body of a range that continues the file; what type the host calls it does not count."""
    if _is_coded(headers):
        raise TransferError("the download host compressed the file, although the request forbids it")
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None:
        raise TransferError("the download host sent a range without naming it")
    first, last, total = map(int, match.groups())
    found = _version(headers, total)
    version = delivery.file_version.continued_by(found, proves_itself=delivery.proves_itself)
    if version is None:
        raise FileChangedError("the file behind the link has changed, or nothing shows that it has not")
    if first != requested.start or last + 1 != (requested.stop or total):
        raise TransferError("the download host sent another range than requested")
    return Body(from_start=False, version=version)


def _total_of_everything(headers: Mapping[str, str]) -> int:
    """Return the size of the file, if a range that was not requested is all of it."""
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None or (int(match[1]), int(match[2]) + 1) != (0, int(match[3])):
        raise TransferError("the download host sent a range that was not requested")
    return int(match[3])


def _unsatisfied(headers: Mapping[str, str], requested: ByteRange, delivery: Delivery) -> Complete:
    """Accept the held bytes as complete if the host has no more; its first answer may have claimed more."""
    match = _UNSATISFIED.fullmatch(headers.get("Content-Range", ""))
    total = int(match[1]) if match else delivery.total  # not every host names it
    known = delivery.file_version
    if total == requested.start and requested.stop is None:
        if delivery.proves_itself or known.proves(_version(headers, known.total)):
            return Complete()
        raise FileChangedError("nothing shows that the file behind the link is still the same")
    raise FileChangedError("the file behind the link has become shorter")


def _doubt(headers: Mapping[str, str]) -> str | None:
    if _is_coded(headers):
        return "the download host compressed the file, although the request forbids it"
    kind = headers.get("Content-Type", "").split(";")[0].strip().lower()
    return "the download host sent a page, not a file" if kind in _PAGE_TYPES else None


def _is_coded(headers: Mapping[str, str]) -> bool:
    codings = headers.get("Content-Encoding", "").lower().split(",")
    return not _CODINGS.isdisjoint(coding.strip() for coding in codings)


def _version(headers: Mapping[str, str], total: int | None) -> FileVersion:
    match = _ETAG.fullmatch(headers.get("ETag", ""))
    return FileVersion(
        total,
        match[0] if match and not match[1] else None,
        match[0] if match and match[1] else None,
        _date(headers, "Last-Modified"),
        _date(headers, "Date"),
    )


def _date(headers: Mapping[str, str], name: str) -> str | None:
    text = headers.get(name, "")
    return text if len(text) <= _MAX_DATE_CHARACTERS and http_date(text) else None


def _content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None
