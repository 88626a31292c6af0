"""The words and figures of the templates."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orderwatch.core.attention.concern import Concern
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.formatting import ago, ahead, amount, moment, printable, span
from orderwatch.core.model import Capture, CapturePhase, Delivery, DeliveryState, Order, Transition
from orderwatch.core.orders.order_state import Tone, tone
from orderwatch.core.orders.publication_lag import Lag
from orderwatch.core.orders.timeline import Span, Timeline, timeline
from orderwatch.web.pages.thumbnails import is_pictured, picture_of

_TEMPLATES = Path(__file__).parent.parent / "templates"
_OF_DELIVERIES = {
    DeliveryState.STORED: Tone.STORED,
    DeliveryState.SUPERSEDED: Tone.ENDED,
    DeliveryState.PARKED: Tone.TROUBLE,
    DeliveryState.GIVEN_UP: Tone.TROUBLE,
}
_OF_CAPTURES = {
    CapturePhase.PLANNED: Tone.PLANNED,
    CapturePhase.TASKED: Tone.PLANNED,
    CapturePhase.CAPTURED: Tone.MOVING,
    CapturePhase.PROCESSING: Tone.MOVING,
    CapturePhase.PUBLISHED: Tone.STORED,
}


@cache
def templates() -> Environment:
    """Everything put in is escaped, what is not given an error. Each is compiled once, when drawn first."""
    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters |= _FILTERS
    found.tests["pictured"] = is_pictured
    return found


def page_of(order: Order | Transition | Concern) -> str:
    """Where its page is; the account's name may hold anything."""
    return f"/orders/{quote(order.account or '', safe='')}/{order.task_id}"


def _plain(text: str | None) -> str:
    return printable(text or "")


def _timeline(order: Order, now: datetime, lag: Lag) -> Timeline | None:
    return timeline(order, now, lag)


def _width(line: Timeline, part: Span) -> float:
    return round(max(line.at(part.ends) - line.at(part.begins), 0.5), 2)


def _tick(time: datetime, by_day: bool) -> str:  # noqa: FBT001 - a filter's argument
    return f"{time.day} {time:%b}" if by_day else f"{time:%H:%M}"


def _in_words(line: Timeline) -> str:
    """For those who hear the page."""
    window = [f"window {moment(line.window.begins)} to {moment(line.window.ends)}"] if line.window else []
    marks = [
        f"capture {printable(row.capture.capture_id[:8])} {mark.kind} {moment(mark.at)}"
        for row in line.rows
        for mark in row.marks
    ]
    return "; ".join([*window, *marks]) or "a line of time"


def _percent(done: int, total: int | None) -> int:
    return min(100 * done // total, 100) if total else 0


def _stored(order: Order) -> str:
    if not order.deliveries:
        return ""
    return f"{sum(d.state.settled for d in order.deliveries)} of {len(order.deliveries)}"


def _delivery_tone(delivery: Delivery) -> Tone:
    return _OF_DELIVERIES.get(delivery.state, Tone.MOVING)


def _capture_tone(capture: Capture) -> Tone:
    return _OF_CAPTURES.get(capture.standing.phase, Tone.WAITING) if capture.standing.phase else Tone.WAITING


def _state_tone(order: Order) -> Tone:
    """Of an order that needs nobody: what is wrong with it was acknowledged."""
    found = tone(order)
    return Tone.ENDED if found is Tone.TROUBLE else found


def _anchor(order: Order) -> str:
    return f"order-{quote(order.account, safe='')}-{order.task_id}"


_FILTERS: Mapping[str, Callable[..., object]] = {
    "ago": ago,
    "ahead": ahead,
    "amount": amount,
    "anchor": _anchor,
    "capture_tone": _capture_tone,
    "delivery_tone": _delivery_tone,
    "folder_of": lambda path: str(PurePosixPath(path).parent),
    "in_words": _in_words,
    "moment": moment,
    "name_of": lambda path: PurePosixPath(path).name,
    "page": page_of,
    "percent": _percent,
    "picture": picture_of,
    "plain": _plain,
    "span": lambda seconds: span(timedelta(seconds=seconds)),
    "stored": _stored,
    "tick": _tick,
    "timeline": _timeline,
    "state_tone": _state_tone,
    "width": _width,
    "zulu": zulu,
}
