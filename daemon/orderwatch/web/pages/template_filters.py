"""The filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from shlex import quote as quote_for_shell
from typing import TYPE_CHECKING
from urllib.parse import quote

from orderwatch.core.agenda.entries import Entry, EntryKind
from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.core.deliveries.pictures import largest_picture
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.formatting import format_bytes, format_duration, format_time, printable
from orderwatch.core.model import Capture, CapturePhase, Delivery, DeliveryState, FileCount, Order, Transition
from orderwatch.core.orders.completeness import DisplayState, display_state
from orderwatch.core.orders.listed_files import files_in_words, listed_files
from orderwatch.core.orders.publication_lag import Lag
from orderwatch.core.orders.timeline import Span, Timeline, timeline
from orderwatch.core.queue.report import QueueOrder, Why
from orderwatch.web.files.routes import file_of
from orderwatch.web.pages.text_filters import TEXT_FILTERS
from orderwatch.web.pages.thumbnails import picture_of

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent.parent / "templates"
_OF_DELIVERIES = {
    DeliveryState.STORED: DisplayState.STORED,
    DeliveryState.SUPERSEDED: DisplayState.ENDED,
    DeliveryState.PARKED: DisplayState.TROUBLE,
    DeliveryState.GIVEN_UP: DisplayState.TROUBLE,
}
_OF_CAPTURES = {
    CapturePhase.PLANNED: DisplayState.PLANNED,
    CapturePhase.TASKED: DisplayState.PLANNED,
    CapturePhase.CAPTURED: DisplayState.MOVING,
    CapturePhase.PROCESSING: DisplayState.MOVING,
    CapturePhase.PUBLISHED: DisplayState.STORED,
}
_CARDS = {"tree": "/#space", "space": "/#space", "host": "/#hosts"}  # by the subject of a problem's event
_OF_REASONS = {
    Why.FETCHING: DisplayState.MOVING,
    Why.TURN: DisplayState.WAITING,
    Why.RETRY: DisplayState.MOVING,
    Why.PAUSED: DisplayState.WAITING,
}
_OF_ENTRIES = {
    EntryKind.WINDOW: DisplayState.WAITING,
    EntryKind.CAPTURE: DisplayState.PLANNED,
    EntryKind.PUBLICATION: DisplayState.MOVING,
}


@cache
def templates() -> "Environment":
    """Returns the templates: escaped, strict about missing values, and compiled once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - with the first viewer

    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters |= _FILTERS
    return found


def page_of(order: Order | Transition | Concern | Delivery | QueueOrder | Entry) -> str:
    """Returns the path of the order's page, with the account quoted."""
    return f"/orders/{quote(order.account or '', safe='')}/{quote(order.order_id or '', safe='')}"


def cause_of(concern: Concern) -> str | None:
    """Returns where the page shows what a concern is about."""
    if concern.order_id is not None and concern.account is not None:
        return f"{page_of(concern)}#why"
    if concern.account is not None:
        return f"/?account={quote(concern.account, safe='')}"
    subject = (concern.name or "").partition(".")[0]
    return _CARDS.get(subject) if concern.reason is Reason.PROBLEM else None


def _plain(text: str | None) -> str:
    return printable(text or "")


def _shell_word(text: str | None) -> str:
    """Returns text as one word of a command to copy."""
    return quote_for_shell(printable(text or ""))


def _timeline(order: Order, now: datetime, lag: Lag) -> Timeline | None:
    return timeline(order, now, lag)


def _width(line: Timeline, part: Span) -> float:
    return round(max(line.at(part.ends) - line.at(part.begins), 0.5), 2)


def _tick(time: datetime, by_day: bool) -> str:  # noqa: FBT001 - a filter's argument
    return f"{time.day} {time:%b}" if by_day else f"{time:%H:%M}"


def _in_words(line: Timeline) -> str:
    """Returns a description for screen readers."""
    window = (
        [f"window {format_time(line.window.begins)} to {format_time(line.window.ends)}"]
        if line.window
        else []
    )
    marks = [
        f"capture {printable(row.capture.capture_id[:8])} {mark.kind} {format_time(mark.at)}"
        for row in line.rows
        for mark in row.marks
    ]
    return "; ".join([*window, *marks]) or "timeline"


def _percent(done: int, total: int | None) -> int:
    return min(100 * done // total, 100) if total else 0


def _stored(order: Order) -> str:
    files = order.files
    if not files:
        return ""
    stored = sum(some.number for some in files if some.state.settled)
    return f"{stored} of {sum(some.number for some in files)}"


def _stored_bytes(order: Order) -> str:
    return format_bytes(sum(some.size for some in order.files if some.state.settled) or None)


def _delivery_colour(files: Delivery | FileCount) -> DisplayState:
    return _OF_DELIVERIES.get(files.state, DisplayState.MOVING)


def _capture_colour(capture: Capture) -> DisplayState:
    return (
        _OF_CAPTURES.get(capture.status.phase, DisplayState.WAITING)
        if capture.status.phase
        else DisplayState.WAITING
    )


def _state_colour(order: Order) -> DisplayState:
    """Returns the colour of an order without concerns; its trouble was acknowledged."""
    found = display_state(order)
    return DisplayState.ENDED if found is DisplayState.TROUBLE else found


def _entry_colour(entry: Entry) -> DisplayState:
    if entry.void or entry.state == "late":
        return DisplayState.TROUBLE
    return DisplayState.STORED if entry.state == "published" else _OF_ENTRIES[entry.kind]


def _anchor(order: Order) -> str:
    return f"order-{quote(order.account, safe='')}-{quote(order.order_id, safe='')}"


_FILTERS: Mapping[str, Callable[..., object]] = {
    "shell_word": _shell_word,
    "amount": format_bytes,
    "anchor": _anchor,
    "cause": cause_of,
    "capture_anchor": lambda capture: f"capture-{quote(capture.capture_id, safe='')}",
    "capture_colour": _capture_colour,
    "counted": files_in_words,
    "delivery_colour": _delivery_colour,
    "file_link": file_of,
    "files_of": listed_files,
    "folder_of": lambda path: str(PurePosixPath(path).parent),
    "largest": largest_picture,
    "in_words": _in_words,
    "moment": format_time,
    "name_of": lambda path: PurePosixPath(path).name,
    "number": "{:,}".format,
    "page": page_of,
    "percent": _percent,
    "thumbnail": picture_of,
    "plain": _plain,
    "span": lambda seconds: format_duration(timedelta(seconds=seconds)),
    "stored": _stored,
    "stored_bytes": _stored_bytes,
    "tick": _tick,
    "timeline": _timeline,
    "state_colour": _state_colour,
    "entry_colour": _entry_colour,
    "why_colour": lambda why: _OF_REASONS.get(why, DisplayState.TROUBLE),
    "width": _width,
    "zulu": zulu,
    **TEXT_FILTERS,
}
