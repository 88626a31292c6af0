"""Amounts of bytes as people read them: in decimal units, as the configuration has them."""

_UNITS = ("B", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def amount(size: float | None) -> str:
    """In powers of 1000: "812 B", "1.4 GB"; nothing where it is not known."""
    if size is None:
        return ""
    unit = 0
    while round(size, min(unit, 1)) >= _THOUSAND and unit < len(_UNITS) - 1:
        size, unit = size / _THOUSAND, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def compared(one: int, other: int | None) -> tuple[str, str]:
    """Two amounts side by side: to the byte where they would look the same but are not."""
    told = amount(one), amount(other) or "an unknown size"
    return (f"{one} B", f"{other} B") if told[0] == told[1] and one != other else told
