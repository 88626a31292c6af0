"""Marks the rows of a list, so that an unchanged row is not read again."""

import itertools

import orjson

_UNIQUE_MARKS = itertools.count(2**64)  # above every hash


def row_hash(raw: object) -> int:
    """Return a mark that is equal for equal rows."""
    try:
        return hash(orjson.dumps(raw))
    except (
        TypeError
    ):  # a lone surrogate, a number too large or nesting too deep: read the row again each time
        return next(_UNIQUE_MARKS)
