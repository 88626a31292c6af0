"""What an answer to a download request means for the partial; the rules of RFC 9110, 14 and 15."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orderwatch.core.model import Delivery
from orderwatch.core.politeness import http_date, retry_after
from orderwatch.errors import BusyHostError, LinkExpiredError, TransferError
from orderwatch.ports import Start

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")
UNRELIABLE = ""  # the validator of a host whose validators change although the file does not
_EXPIRED = {401, 403, 404, 410}
_PAGES = {"text/html", "application/xhtml+xml", "application/json"}
_XML = {"application/xml", "text/xml"}  # an error page, unless it is a footprint
_LEADING = {"delivery_zip": b"PK\x03\x04"}


class OtherBytesError(TransferError):
    """What the server offers now is not what the partial was made of: start from nothing."""


@dataclass(frozen=True, slots=True)
class Complete:
    """The server has nothing beyond what we hold."""


def judge(status: int, headers: Mapping[str, str], held: int, delivery: Delivery) -> Start | Complete:
    """How to go on with `held` bytes of a partial, or a `TransferError`."""
    if status in _EXPIRED:
        raise LinkExpiredError(f"the download host answers {status}")
    if status == 416 and held:  # noqa: PLR2004 - range not satisfiable
        return _unsatisfied(headers, held, delivery)
    if status not in {200, 206}:
        wait = retry_after(headers.get("Retry-After"), http_date(headers.get("Date")))
        if wait is not None:
            raise BusyHostError(f"the download host answers {status}", wait)
        raise TransferError(f"the download host answers {status}")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TransferError("the download host compressed the file although asked not to")
    kind = headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind in _PAGES or (kind in _XML and delivery.attachment != "footprint"):
        raise TransferError("the download host sent a page, not a file")
    if status == 200:  # noqa: PLR2004 - the whole file, whether a range was asked for or not
        return _whole(headers, held, delivery)
    return _ranged(headers, held, delivery)


def check_leading(attachment: str, first: bytes) -> None:
    """Refuse what cannot be the file by its first bytes, before any is written."""
    expected = _LEADING.get(attachment, b"")
    if not first.startswith(expected[: len(first)]):
        raise TransferError(f"what came is no {attachment}: wrong leading bytes")


def strong_validator(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') and etag.endswith('"') and len(etag) > 2 else None  # noqa: PLR2004 - not '""'


def _whole(headers: Mapping[str, str], held: int, delivery: Delivery) -> Start:
    total, validator = _length(headers), strong_validator(headers)
    if held and delivery.validator and total == delivery.total:
        # Some hosts tie the ETag to the link's token: with it no resume would ever be granted.
        validator = UNRELIABLE
    return Start(offset=0, total=total, validator=validator)


def _ranged(headers: Mapping[str, str], held: int, delivery: Delivery) -> Start:
    if not held:
        raise TransferError("the download host answers with a range that nobody asked for")
    # Once may be an accident; a host that keeps doing it can only send the whole file.
    wrong = OtherBytesError if delivery.barren else TransferError
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None:
        raise wrong("the download host answers with a range it does not name")
    first, last, total = map(int, match.groups())
    validator = strong_validator(headers)
    if delivery.total not in (None, total) or _differ(delivery.validator, validator):
        raise OtherBytesError("the file behind the link is another one than before")
    if first != held or last != total - 1:
        raise wrong("the download host answers with another range than asked for")
    kept = UNRELIABLE if delivery.validator == UNRELIABLE else validator or delivery.validator
    return Start(offset=held, total=total, validator=kept)


def _unsatisfied(headers: Mapping[str, str], held: int, delivery: Delivery) -> Complete:
    match = _UNSATISFIED.fullmatch(headers.get("Content-Range", ""))
    total = int(match[1]) if match else delivery.total  # not every host names it
    if total == held and delivery.total in (None, held):
        return Complete()
    raise OtherBytesError("the file behind the link is shorter than before")


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _differ(before: str | None, now: str | None) -> bool:
    return bool(before and now) and before != now
