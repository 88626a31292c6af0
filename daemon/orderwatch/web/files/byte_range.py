"""Which bytes of a file a request wants (RFC 9110, section 14)."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=\s*(?:([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19}))\s*", re.IGNORECASE)


class ByteRange(NamedTuple):
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


class UnsatisfiableError(Exception):
    """The file has none of these bytes."""


def parse_range(header: str, size: int) -> ByteRange | None:
    """Returns the range of a file of `size` bytes, None for the whole file.

    Several ranges and unknown forms mean the whole file, as the standard allows. Raises `UnsatisfiableError`.
    """
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        found = ByteRange(max(size - int(suffix), 0), size)
    elif last and int(last) < int(first):
        return None
    else:
        found = ByteRange(int(first), min(int(last) + 1, size) if last else size)
    if found.start >= found.stop:
        raise UnsatisfiableError
    return found
