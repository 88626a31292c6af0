"""The calendar file, as the package `icalendar` reads it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from tests.core.agenda.agenda_kit import DAY, HOUR, LAGS, a_capture, dated
from tests.db.kit import NOW

from orderwatch.core.agenda.entries import Entry, entries_of
from orderwatch.core.agenda.icalendar import calendar
from orderwatch.core.model import CapturePhase

ENTRIES = entries_of([dated(a_capture(satellite_name="NewSat-9"), project_name="Port; east, \\1")], LAGS, NOW)
ENTRY = ENTRIES[0]


def read(entries: list[Entry]) -> list[Any]:
    """The events, as they are read."""
    found = Calendar.from_ical(calendar(entries).text)
    assert not found.errors
    return list(found.walk("VEVENT"))


def test_each_entry_is_an_event_that_blocks_no_time() -> None:
    events = read(ENTRIES)
    assert [str(event["SUMMARY"]) for event in events] == [
        "Quay: window open",
        "Quay: capture planned, NewSat-9",
        "Quay: publication expected",
    ]
    assert [event["DTSTART"].dt for event in events] == [NOW - DAY, NOW + DAY, NOW + DAY + 3.25 * HOUR]
    assert [event["DTEND"].dt if "DTEND" in event else None for event in events] == [
        NOW + 9 * DAY,
        None,
        NOW + DAY + 5 * HOUR,
    ]
    assert [str(event["STATUS"]) for event in events] == ["CONFIRMED", "TENTATIVE", "TENTATIVE"]
    for event in events:
        assert (event["DTSTAMP"].dt, event["LAST-MODIFIED"].dt, event["SEQUENCE"]) == (NOW, NOW, 3)
        assert (event["TRANSP"], event.errors) == ("TRANSPARENT", [])
        assert str(event["DESCRIPTION"]).startswith("Project: Port; east, \\1\nOrder: 1\nAccount: main")


def test_a_uid_stays_when_the_rest_changes_and_differs_for_each_capture() -> None:
    other = dated(a_capture(CapturePhase.FAILED, NOW), task_name="Pier", end=NOW, version=9)
    more = dated(a_capture(capture_id="c2"))
    [first, second, third] = (
        [str(e["UID"]) for e in read(found)]
        for found in (ENTRIES, entries_of([other], LAGS, NOW), entries_of([more], LAGS, NOW))
    )
    assert second == first[:2]
    assert len({*first, *third}) == 5
    [_, failed] = read(entries_of([other], LAGS, NOW))
    assert (failed["STATUS"], failed["SEQUENCE"]) == ("CANCELLED", 9)


def test_an_empty_calendar_can_be_read() -> None:
    found = Calendar.from_ical(calendar([]).text)
    assert (found["VERSION"], found["REFRESH-INTERVAL"].to_ical(), found.subcomponents) == (
        "2.0",
        b"PT15M",
        [],
    )


def test_the_tag_is_of_what_is_shown_and_not_of_the_last_poll() -> None:
    polled = replace(ENTRY, revision=9, revised_at=NOW + HOUR)
    assert calendar([polled]).tag == calendar([ENTRY]).tag
    assert calendar([polled]).text != calendar([ENTRY]).text
    assert calendar([replace(ENTRY, state="over")]).tag != calendar([ENTRY]).tag


ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=90)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - with a zone


@settings(max_examples=40, deadline=None)
@given(name=ANY, project=ANY, satellite=ANY, start=TIMES)
def test_any_name_is_text_in_lines_that_are_short(
    name: str, project: str, satellite: str, start: datetime
) -> None:
    entry = replace(
        ENTRY, task_name=name, project_name=project, satellite_name=satellite, start=start, end=start + DAY
    )
    written = calendar([entry]).text
    assert written.endswith("\r\n")
    lines = written.encode().split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert not any(byte < 0x20 or byte == 0x7F for line in lines for byte in line)
    assert all(line.decode() is not None for line in lines)  # no character is cut
    [event] = read([entry])
    assert event["DTSTART"].dt == start.replace(microsecond=0)
    assert [one.name for one in Calendar.from_ical(written).walk()] == ["VCALENDAR", "VEVENT"]
    if name.isprintable() and name:
        assert str(event["SUMMARY"]) == f"{name}: window open"
