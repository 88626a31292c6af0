"""The numbers of rows, as an address tells them."""

BIGGEST = 2**63 - 1  # number that the database holds


def number_of(text: str) -> int | None:
    """None for what is no number of a row."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(BIGGEST)) else None
    return number if number is not None and number <= BIGGEST else None
