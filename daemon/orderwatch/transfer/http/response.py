"""What an answer to a download request means for the partial; the rules of RFC 9110, 14 and 15."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orderwatch.core.model import Delivery
from orderwatch.core.retry_after import http_date, retry_after
from orderwatch.errors import BusyHostError, ForbiddenError, HostError, LinkExpiredError, TransferError

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")
UNRELIABLE = ""  # the validator of a host whose validators change although the file does not
_EXPIRED = {401, 404, 410}
_PAGES = {"text/html", "application/xhtml+xml", "application/json"}
_XML = {"application/xml", "text/xml"}  # an error page, unless it is a footprint
_LEADING = {"delivery_zip": b"PK\x03\x04"}


class OtherBytesError(TransferError):
    """What the server offers now is not what the partial was made of: start from nothing."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes to ask for: from `start` to `stop`, which is the file's end where it is None."""

    start: int
    stop: int | None = None

    @property
    def header(self) -> str:
        return f"bytes={self.start}-{'' if self.stop is None else self.stop - 1}"


@dataclass(frozen=True, slots=True)
class Complete:
    """The server has nothing beyond what we hold."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The server has the bytes of a validator that we know."""


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes that follow are those wanted, or all from the first one on (`anew`); `total` of the file."""

    anew: bool
    total: int | None
    validator: str | None


Answer = Body | Complete | Unchanged


def interpret(
    status: int,
    headers: Mapping[str, str],
    wanted: ByteRange | None,
    delivery: Delivery,
    unless: str | None = None,
) -> Answer:
    """What comes where these bytes were asked for (None: the whole, with no range); or a `TransferError`."""
    if wanted is None and unless and (status == 304 or _is(status, headers, unless)):  # noqa: PLR2004 - not modified
        return Unchanged()
    if status in _EXPIRED:
        raise LinkExpiredError(f"the download host answers {status}")
    if status == 403:  # noqa: PLR2004 - forbidden
        raise ForbiddenError(f"the download host answers {status}")
    if status == 416 and wanted:  # noqa: PLR2004 - range not satisfiable
        return _unsatisfied(headers, wanted, delivery)
    if status not in {200, 206}:
        raise _refusal(status, headers)
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TransferError("the download host compressed the file although asked not to")
    kind = headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind in _PAGES or (kind in _XML and delivery.attachment != "footprint"):
        raise TransferError("the download host sent a page, not a file")
    if status == 200:  # noqa: PLR2004 - the whole file, whether a range was asked for or not
        return _whole(headers, wanted, delivery)
    return _ranged(headers, wanted, delivery)


def _refusal(status: int, headers: Mapping[str, str]) -> TransferError:
    text = f"the download host answers {status}"
    wait = retry_after(headers.get("Retry-After"), http_date(headers.get("Date"))) or 0.0
    if status == 429 or (status == 503 and wait):  # noqa: PLR2004 - too many requests, unavailable
        return BusyHostError(text, wait=wait)
    if status >= 500:  # noqa: PLR2004 - server errors
        return HostError(text, wait=wait)
    return TransferError(text, wait=wait)


def check_leading(attachment: str, first: bytes) -> None:
    """Refuse what cannot be the file by its first bytes, before any is written."""
    expected = _LEADING.get(attachment, b"")
    if not first.startswith(expected[: len(first)]):
        raise TransferError(f"what came is no {attachment}: wrong leading bytes")


def strong_validator(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 2 else None  # noqa: PLR2004 - not '""'


def _whole(headers: Mapping[str, str], wanted: ByteRange | None, delivery: Delivery) -> Body:
    total, validator = _length(headers), strong_validator(headers)
    if wanted and delivery.validator and total == delivery.total:
        # Some hosts tie the ETag to the link's token: with it no resume would ever be granted.
        validator = UNRELIABLE
    return Body(anew=True, total=total, validator=validator)


def _ranged(headers: Mapping[str, str], wanted: ByteRange | None, delivery: Delivery) -> Body:
    if wanted is None:
        return _unasked(headers)
    # Once may be an accident; a host that keeps doing it can only send the whole file.
    wrong = OtherBytesError if delivery.attempts_without_progress else TransferError
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None:
        raise wrong("the download host answers with a range it does not name")
    first, last, total = map(int, match.groups())
    validator = strong_validator(headers)
    if delivery.total not in (None, total) or _differ(delivery.validator, validator):
        raise OtherBytesError("the file behind the link is another one than before")
    if first != wanted.start or last + 1 != (wanted.stop or total):
        raise wrong("the download host answers with another range than asked for")
    kept = UNRELIABLE if delivery.validator == UNRELIABLE else validator or delivery.validator
    return Body(anew=False, total=total, validator=kept)


def _unasked(headers: Mapping[str, str]) -> Body:
    """A range that nobody asked for will do if it is the whole."""
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None or (int(match[1]), int(match[2]) + 1) != (0, int(match[3])):
        raise TransferError("the download host answers with a range that nobody asked for")
    return Body(anew=True, total=int(match[3]), validator=strong_validator(headers))


def _unsatisfied(headers: Mapping[str, str], wanted: ByteRange, delivery: Delivery) -> Complete:
    match = _UNSATISFIED.fullmatch(headers.get("Content-Range", ""))
    total = int(match[1]) if match else delivery.total  # not every host names it
    if total == wanted.start and delivery.total in (None, total):
        return Complete()
    raise OtherBytesError("the file behind the link is shorter than before")


def _is(status: int, headers: Mapping[str, str], validator: str) -> bool:
    return status == 200 and strong_validator(headers) == validator  # noqa: PLR2004 - the whole file


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _differ(before: str | None, now: str | None) -> bool:
    return bool(before and now) and before != now
