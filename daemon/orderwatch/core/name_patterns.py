"""Whether a name fits a shell pattern, however either is written."""

import re
import unicodedata
from fnmatch import fnmatchcase

_SEPARATORS = re.compile(r"[\s_-]+")


def fold_name(name: str) -> str:
    """Return the name in NFKC with white space folded, so that equal looks are equal."""
    return " ".join(unicodedata.normalize("NFKC", name).split())


def fold_status(word: str) -> str:
    """Return a status without case, with blank, `-` and `_` equal: "In Progress" is "in_progress"."""
    return _SEPARATORS.sub("_", fold_name(word).casefold())


def name_matches(pattern: str, name: str) -> bool:
    """Compare with case; the very name is a match too, whatever brackets it has."""
    return _fits(fold_name(pattern), fold_name(name))


def status_matches(pattern: str, word: str) -> bool:
    """Compare a status, as `fold_status` has it; in brackets `-` still makes a range."""
    return _fits(fold_status(pattern), fold_status(word)) or fnmatchcase(word.lower(), pattern.lower())


def _fits(pattern: str, text: str) -> bool:
    return pattern == text or fnmatchcase(text, pattern)
