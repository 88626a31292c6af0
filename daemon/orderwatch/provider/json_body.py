"""A JSON body, read tolerantly: one odd value costs that value, never the page it stands on."""

import json
import math
from contextlib import suppress

import orjson

_BOM = "\ufeff"
_LONGEST_INT = 20  # digits, or a sign and digits, of 64 bits


def parse(body: bytes, charset: str | None = None) -> object:
    """Parse a body; `charset` is the header's. Raises `ValueError` where it is no JSON, or `RecursionError`.

    Undecodable bytes become U+FFFD. NaN, the infinities and numbers too large for a double become null.
    """
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return json.loads(
        decode(body, charset),
        strict=False,  # a bare tab or line end in a name
        parse_constant=lambda _: None,
        parse_float=_float,
        parse_int=_int,
    )


def decode(body: bytes, charset: str | None) -> str:
    """Read UTF-8, -16 or -32 where the bytes are that; else what the header says, with replacements."""
    found = json.detect_encoding(body)
    with suppress(UnicodeDecodeError):
        return body.decode(found).lstrip(_BOM)
    with suppress(LookupError, ValueError):  # an unknown charset, or no name of one
        return body.decode(charset or found, "replace").lstrip(_BOM)
    return body.decode(found, "replace").lstrip(_BOM)


def _float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _int(digits: str) -> int | float | None:
    """Read as orjson does: what 64 bits do not hold is a double."""
    if len(digits) <= _LONGEST_INT and -(2**63) <= (number := int(digits)) < 2**64:
        return number
    return _float(digits)
