"""Parses row numbers in URLs."""

MAX_ROW_NUMBER = 2**63 - 1  # of the database


def number_of(text: str) -> int | None:
    """Returns the number of a row, None for an invalid one."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_ROW_NUMBER)):
        return None
    number = int(text)
    return number if number <= MAX_ROW_NUMBER else None
