"""Describes what the settings' models reject, with its place in the file."""

from collections.abc import Iterator

from pydantic_core import ErrorDetails

from orderwatch.config.notifications import KINDS
from orderwatch.config.reference import nearest_key
from orderwatch.config.settings import PROBLEM_SEPARATOR
from orderwatch.core.validation_errors import place, sentence

_RENAMED = {  # keys of configurations written before the first release
    "polling.slowest": "max_interval",
    "delivery.stall": "stall_timeout",
    "delivery.floor": "min_speed",
    "delivery.retry_first": "retry_min",
    "delivery.retry_slowest": "retry_max",
    "ordering.in_all": "max_total",
    "ordering.per_day": "max_per_day",
    "ordering.absent_after": "confirm_lost_after",
}
_MESSAGES = {
    "union_tag_invalid": f"must be one of: {', '.join(KINDS)}",
    "union_tag_not_found": "missing",
}


def location_of(details: ErrorDetails) -> tuple[int | str, ...]:
    """Return the location in the file; pydantic adds a channel's kind after its index."""
    place = details["loc"]
    return (*place[:2], *place[3:]) if place[0] == "notify" else place


def problems_of(details: ErrorDetails) -> Iterator[str]:
    location = place(location_of(details))
    if details["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        location += ".kind"
    if details["type"] == "extra_forbidden" and location in _RENAMED:
        yield f"{location}: unknown key; it is now {_RENAMED[location]}"
        return
    if details["type"] == "extra_forbidden" and (nearest := _nearest(location_of(details))):
        yield f"{location}: unknown key; did you mean {nearest}?"
        return
    message = _MESSAGES.get(details["type"]) or sentence(
        details["type"], details["msg"], details.get("ctx", {})
    )
    if details["loc"][0] == "order" and details["type"] == "value_error":
        yield from (f"{location}.{problem}" for problem in message.split(PROBLEM_SEPARATOR))
    else:
        yield f"{location}: {message}"


def _nearest(location: tuple[int | str, ...]) -> str | None:
    return nearest_key(location[:-1], str(location[-1]))
