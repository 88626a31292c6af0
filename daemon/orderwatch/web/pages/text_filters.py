"""Times and commands in the templates: a time is a `<time>`, which `clock.js` shows as the viewer chose."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from markupsafe import Markup, escape

from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.formatting import ago, format_time, printable, until

_NONE = Markup('<span class="faint">\N{EN DASH}</span>')
_TIME = Markup('<time datetime="{}" title="{}">{}</time>')
_EXACT_TIME = Markup('<time datetime="{}" data-exact>{}</time>')
_CLOCK_TIME = Markup('<time data-clock datetime="{}" title="{}">{}</time>')
_WRITTEN_TIME = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?) UTC\b")  # by `format_time`
_CODE = re.compile(r"`([^`]+)`")


def when(time: datetime | None, now: datetime) -> Markup:
    """Returns how long ago a time was."""
    return _NONE if time is None else _TIME.format(zulu(time), format_time(time), ago(time, now))


def due(time: datetime | None, now: datetime) -> Markup:
    """Returns how long it is until a planned time, or since when it is due."""
    return _NONE if time is None else _TIME.format(zulu(time), format_time(time), until(time, now))


def past_or_planned(time: datetime | None, now: datetime) -> Markup:
    """Returns how long ago a time was, or how long it is until then."""
    return (due if time is not None and time > now else when)(time, now)


def exact(time: datetime) -> Markup:
    return _EXACT_TIME.format(zulu(time), format_time(time))


def clock(time: datetime) -> Markup:
    """Returns the time of day in UTC, for a page that has the days."""
    return _CLOCK_TIME.format(zulu(time), format_time(time), f"{time.astimezone(UTC):%H:%M}")


def with_times(text: str) -> Markup:
    """Returns a text of ours with each time that it contains as a `<time>`."""
    return Markup(_WRITTEN_TIME.sub(_marked, str(escape(printable(text)))))  # noqa: S704 - escaped


def _marked(found: re.Match[str]) -> str:
    try:
        time = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:  # a name that looks like a time
        return found[0]
    return str(_EXACT_TIME.format(zulu(time), found[0]))


def with_code(text: str) -> Markup:
    """Returns a text of ours with each command and setting in backticks as `<code>`."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(printable(text)))))  # noqa: S704 - escaped


TEXT_FILTERS: Mapping[str, Callable[..., object]] = {
    "clock": clock,
    "due": due,
    "exact": exact,
    "time": past_or_planned,
    "when": when,
    "with_code": with_code,
    "with_times": with_times,
}
