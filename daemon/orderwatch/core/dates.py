"""Dates that others name: what lies beyond the years of this trade is no date to reckon with."""

from datetime import UTC, datetime

_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2201, 1, 1, tzinfo=UTC)


def plausible(moment: datetime | None) -> datetime | None:
    """Return the aware moment, or None outside 1970 to 2200, such as an unset date of Go (year 1)."""
    return moment if moment is not None and _FIRST <= moment < _END else None
