"""Removes secrets and unprintable characters from texts and documents of the provider."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby

import orjson

_BOM = "\ufeff"
_MAX_INT_CHARS = 20  # a sign and digits of 64 bits


def parse(body: bytes, charset: str | None = None) -> object:
    """Parse a body; `charset` is the header's. Raises `ValueError` if it is not JSON, or `RecursionError`.

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
    """Decode valid UTF-8, -16 or -32; else use the header's charset, with replacement characters."""
    found = json.detect_encoding(body)
    with suppress(UnicodeDecodeError):
        return body.decode(found).lstrip(_BOM)
    with suppress(LookupError, ValueError):  # an unknown or invalid charset
        return body.decode(charset or found, "replace").lstrip(_BOM)
    return body.decode(found, "replace").lstrip(_BOM)


def _float(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _int(digits: str) -> int | float | None:
    """Parse as orjson does: integers beyond 64 bits become doubles."""
    if len(digits) <= _MAX_INT_CHARS and -(2**63) <= (number := int(digits)) < 2**64:
        return number
    return _float(digits)


HIDDEN = "…"
MAX_DEPTH = 32  # a multipolygon has six levels
MAX_FIELD_CHARS = 1000  # a longer text is not a name

_SECRET_KEY = re.compile(r"token|secret|passw|authori[sz]ation|credential|signature|api_?key", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOKEN_MARK = re.compile(r"bearer\s|token=|\beyJ[\w-]{8}", re.IGNORECASE | re.ASCII)
_LONG_RUN = re.compile(r"[A-Za-z0-9+/]{32,}")  # hex, base64
_LONG_SAFE_RUN = re.compile(r"[\w-]{40,}", re.ASCII)  # base64url


def strip_unstorable(text: str) -> str:
    """Remove NUL and lone surrogates, which JSON can contain and SQLite cannot store."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def is_url(text: str) -> bool:
    return "://" in text


def is_secret_key(key: str) -> bool:
    return _SECRET_KEY.search(strip_unstorable(key)) is not None


def redact_secrets(value: object, levels: int = MAX_DEPTH) -> object:
    """Return the same JSON with possible secrets and unstorable values hidden."""
    match value:
        case str():
            return _redact_text(value)
        case dict() if levels:
            return {_redact_text(key): _redact_entry(key, inner, levels - 1) for key, inner in value.items()}
        case list() if levels:
            return [redact_secrets(inner, levels - 1) for inner in value]
        case int() | float() if abs(value) < 2**63:  # false for NaN
            return value
        case None:
            return None
        case _:
            return HIDDEN


def _redact_entry(key: str, value: object, levels: int) -> object:
    return HIDDEN if is_secret_key(key) and value is not None else redact_secrets(value, levels)


def _redact_text(text: str) -> str:
    text = strip_unstorable(text)  # first, so that a NUL cannot hide a secret
    secret = len(text) > MAX_FIELD_CHARS or is_url(text) or _is_token(_UUID.sub("", text))
    return HIDDEN if secret else text


def _is_token(text: str) -> bool:
    return (
        _TOKEN_MARK.search(text) is not None
        or any(not run.isalpha() and not run.isdigit() for run in _LONG_RUN.findall(text))
        or any(_is_mixed(run) for run in _LONG_SAFE_RUN.findall(text))
    )


def _is_mixed(run: str) -> bool:
    """Return whether lower case, upper case and digits occur together, as in tokens but not in names."""
    return run.lower() != run != run.upper() and any(map(str.isdigit, run))


MAX_MESSAGE_CHARS = 300
MAX_REASON_CHARS = 500
MAX_TEXT_CHARS = 2000

# Keys that wrap messages; any other key is the field that a message is about.
_WRAPPERS = frozenset({"detail", "message", "error", "errors", "non_field_errors"})


def refusal_text(body: bytes, charset: str | None = None) -> str:
    """Return `start: In the past.; product: Unknown.` from a body; empty without messages, or for a page."""
    return message_text(_read(body, charset))


def message_text(value: object) -> str:
    """Return the texts in a JSON value, each with its field; empty without any."""
    grouped = groupby(_messages(value, "", MAX_DEPTH), key=lambda message: message[0])
    parts = (_with_field(field, ", ".join(text for _, text in texts)) for field, texts in grouped)
    return _truncate("; ".join(parts), MAX_TEXT_CHARS)


def _read(body: bytes, charset: str | None) -> object:
    try:
        return parse(body, charset)
    except RecursionError:
        return None
    except ValueError:
        text = decode(body, charset)
        return None if "<" in text else text


def _with_field(field: str, text: str) -> str:
    return f"{field}: {text}" if field else text


def _messages(value: object, field: str, levels: int) -> Iterator[tuple[str, str]]:
    """Yield every message with its field, `target.coordinates`, in order."""
    match value:
        case str():
            if text := _one_line(value):
                yield field, text
        case dict() if levels:
            for key, inner in value.items():
                below = field if key in _WRAPPERS else ".".join(filter(None, (field, _one_line(key))))
                yield from _messages(HIDDEN if is_secret_key(key) else inner, below, levels - 1)
        case list() if levels:
            for inner in value:
                yield from _messages(inner, field, levels - 1)
        case int() | float() if not isinstance(value, bool):
            yield field, _one_line(str(value))
        case _:
            pass


def _one_line(text: str) -> str:
    """Return one line of printable characters; only the words that are URLs or tokens are hidden."""
    line = " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())
    if "bearer " in line.lower():
        return HIDDEN  # a short token is indistinguishable from a word
    return _truncate(" ".join(str(redact_secrets(word)) for word in line.split()), MAX_MESSAGE_CHARS)


def reason_text(*texts: str | None) -> str | None:
    """Return the texts that are there as one short reason, None without any."""
    reason = "; ".join(dict.fromkeys(text for text in texts if text))
    return _truncate(reason, MAX_REASON_CHARS) or None


def _truncate(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}{HIDDEN}"
