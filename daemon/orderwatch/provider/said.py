"""The provider's words of a refusal, on one line and fit to keep."""

from collections.abc import Iterator
from itertools import groupby

from orderwatch.provider.body import decode, parse
from orderwatch.provider.plain import DEEPEST, HIDDEN, is_secret_key, plain

LONGEST_TEXT = 300  # characters of one complaint
LONGEST = 2000  # characters in all

# Keys that only wrap the words; any other key is the field that they are about.
_WRAPPERS = frozenset({"detail", "message", "error", "errors", "non_field_errors"})


def said(body: bytes, charset: str | None = None) -> str:
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
    return _cut(" ".join(str(plain(word)) for word in line.split()), LONGEST_TEXT)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}{HIDDEN}"
