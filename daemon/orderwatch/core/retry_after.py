"""Parses Retry-After and HTTP dates (RFC 9110, 10.2.3)."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def http_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
        return date.replace(tzinfo=date.tzinfo or UTC)
    except (ValueError, OverflowError):
        return None


def retry_after(text: str | None, server_now: datetime | None) -> float | None:
    """Returns seconds between 1 s and 1 h, from a number or a date by the server's clock; None if invalid."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until = http_date(text)
        if until is None or server_now is None:
            return None
        seconds = (until - server_now).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, 1.0), 3600.0)
