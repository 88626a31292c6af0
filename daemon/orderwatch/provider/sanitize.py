"""The provider's words of a refusal, on one line and fit to keep."""

import re
from collections.abc import Iterator
from itertools import groupby

from orderwatch.provider.json_body import decode, parse

HIDDEN = "…"
DEEPEST = 32  # levels; a multipolygon has six
LONGEST_of_plain = 1000  # characters; longer is no name

_SECRET_KEY = re.compile(r"token|secret|passw|authori[sz]ation|credential|signature|api_?key", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TOLD_TOKEN = re.compile(r"bearer\s|token=|\beyJ[\w-]{8}", re.IGNORECASE | re.ASCII)
_LONG_RUN = re.compile(r"[A-Za-z0-9+/]{32,}")  # hex, base64
_LONG_SAFE_RUN = re.compile(r"[\w-]{40,}", re.ASCII)  # base64url


def scrub(text: str) -> str:
    """The text without NUL and lone surrogates, which JSON can carry and SQLite cannot."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def is_url(text: str) -> bool:
    return "://" in text


def is_secret_key(key: str) -> bool:
    return _SECRET_KEY.search(scrub(key)) is not None


def plain_fields(value: object, levels: int = DEEPEST) -> object:
    """The same JSON, with everything hidden that could be a secret or could not be kept."""
    match value:
        case str():
            return _veil(value)
        case dict() if levels:
            return {_veil(key): _entry(key, inner, levels - 1) for key, inner in value.items()}
        case list() if levels:
            return [plain_fields(inner, levels - 1) for inner in value]
        case int() | float() if abs(value) < 2**63:  # which no NaN is
            return value
        case None:
            return None
        case _:
            return HIDDEN


def _entry(key: str, value: object, levels: int) -> object:
    return HIDDEN if is_secret_key(key) and value is not None else plain_fields(value, levels)


def _veil(text: str) -> str:
    text = scrub(text)  # first: a NUL in the middle must not disguise anything
    secret = len(text) > LONGEST_of_plain or is_url(text) or _is_token(_UUID.sub("", text))
    return HIDDEN if secret else text


def _is_token(text: str) -> bool:
    return (
        _TOLD_TOKEN.search(text) is not None
        or any(not run.isalpha() and not run.isdigit() for run in _LONG_RUN.findall(text))
        or any(_is_mixed(run) for run in _LONG_SAFE_RUN.findall(text))
    )


def _is_mixed(run: str) -> bool:
    """Small letters, capitals and digits together, as in no name that people give."""
    return run.lower() != run != run.upper() and any(map(str.isdigit, run))


LONGEST_TEXT = 300  # characters of one complaint
LONGEST = 2000  # characters in all

# Keys that only wrap the words; any other key is the field that they are about.
_WRAPPERS = frozenset({"detail", "message", "error", "errors", "non_field_errors"})


def refusal_text(body: bytes, charset: str | None = None) -> str:
    """`start: In the past.; product: Unknown.` of a body; empty where it says nothing, or is a page."""
    told = groupby(_told(_read(body, charset), "", DEEPEST), key=lambda complaint: complaint[0])
    parts = (_labelled(field, ", ".join(text for _, text in texts)) for field, texts in told)
    return _cut("; ".join(parts), LONGEST)


def _read(body: bytes, charset: str | None) -> object:
    try:
        return parse(body, charset)
    except RecursionError:
        return None
    except ValueError:
        text = decode(body, charset)
        return None if "<" in text else text


def _labelled(field: str, text: str) -> str:
    return f"{field}: {text}" if field else text


def _told(value: object, field: str, levels: int) -> Iterator[tuple[str, str]]:
    """Every complaint with its field, `target.coordinates`, in the order in which they come."""
    match value:
        case str():
            if text := _fit(value):
                yield field, text
        case dict() if levels:
            for key, inner in value.items():
                below = field if key in _WRAPPERS else ".".join(filter(None, (field, _fit(key))))
                yield from _told(HIDDEN if is_secret_key(key) else inner, below, levels - 1)
        case list() if levels:
            for inner in value:
                yield from _told(inner, field, levels - 1)
        case int() | float() if not isinstance(value, bool):
            yield field, _fit(str(value))
        case _:
            pass


def _fit(text: str) -> str:
    """One line of printable characters; of a URL or a token only its own word is lost."""
    line = " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())
    if "bearer " in line.lower():
        return HIDDEN  # a short token looks like any word
    return _cut(" ".join(str(plain_fields(word)) for word in line.split()), LONGEST_TEXT)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}{HIDDEN}"
