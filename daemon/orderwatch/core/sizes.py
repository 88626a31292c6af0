"""Amounts of bytes as people read them."""

_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def amount(size: float | None) -> str:
    """In powers of 1000: "812 B", "1.4 GB"; nothing where it is not known."""
    if size is None:
        return ""
    unit = 0
    while size >= _THOUSAND and unit < len(_UNITS) - 1:
        size, unit = size / _THOUSAND, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
