"""Whether a name fits a shell pattern, however either is written."""

import re
import unicodedata
from fnmatch import fnmatchcase

_SEPARATORS = re.compile(r"[\s_-]+")


def folded(name: str) -> str:
    """Return the name in NFKC with white space folded, so that equal looks are equal."""
    return " ".join(unicodedata.normalize("NFKC", name).split())


def folded_word(word: str) -> str:
    """Return a status without case, with blank, `-` and `_` equal: "In Progress" is "in_progress"."""
    return _SEPARATORS.sub("_", folded(word).casefold())


def matches(pattern: str, name: str) -> bool:
    """Compare with case; the very name is a match too, whatever brackets it has."""
    return _fits(folded(pattern), folded(name))


def matches_word(pattern: str, word: str) -> bool:
    """Compare a status, as `folded_word` has it; in brackets `-` still makes a range."""
    return _fits(folded_word(pattern), folded_word(word)) or fnmatchcase(word.lower(), pattern.lower())


def _fits(pattern: str, text: str) -> bool:
    return pattern == text or fnmatchcase(text, pattern)
