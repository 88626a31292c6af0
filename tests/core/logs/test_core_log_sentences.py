"""Lines of the log become sentences; whatever else a log holds is no event and ends nothing."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.logs.line import Level, parse_line
from orderwatch.core.logs.sentences import _TEXTS, sentence

PAGE = (Path(__file__).parents[3] / "docs/events.md").read_text(encoding="utf-8")
FIELDS = dict(re.findall(r"^\| `([a-z_.]+)` \| [^|]* \| ([^|]*)\|", PAGE, re.MULTILINE))
OF_DELIVERY = {"account", "order_id", "task_id", "capture_id", "scene_id", "attachment"}


VALUES = st.dictionaries(
    st.sampled_from(sorted(OF_DELIVERY | {"size", "lasted_seconds"})),
    st.none() | st.text() | st.integers() | st.floats(),
)


def line(event: str, facts: Mapping[str, object] = MappingProxyType({}), level: str = "info") -> str:
    return json.dumps({"timestamp": "2026-11-22T12:00:00Z", "level": level, "event": event, **facts})


def told(event: str, facts: Mapping[str, object]) -> str:
    parsed = parse_line(line(event, facts))
    assert parsed is not None
    return sentence(parsed)


@pytest.mark.parametrize("event", _TEXTS)
def test_each_sentence_is_of_an_event_with_these_fields(event: str) -> None:
    documented = set(re.findall(r"\w+", FIELDS[event]))
    if "…" in FIELDS[event]:
        documented |= OF_DELIVERY
    for text in _TEXTS[event]:
        assert set(re.findall(r"\{(\w+)\}", text)) <= documented, text


@pytest.mark.parametrize(
    ("event", "facts", "expected"),
    [
        (
            "order.changed",
            {"order_id": "7", "before": "received", "after": "in_progress"},
            "order 7: received → in_progress",
        ),
        ("order.changed", {"order_id": "7", "after": "received"}, "order 7: first seen, received"),
        (
            "delivery.stored",
            {"order_id": "7", "path": "a/b.zip", "size": 1_400_000_000},
            "order 7: stored a/b.zip, 1.4 GB",
        ),
        (
            "account.unavailable",
            {"account": "main", "reason": "no answer"},
            "the provider does not answer requests of account main: no answer",
        ),
        (
            "account.recovered",
            {"account": "main", "lasted_seconds": 600},
            "the provider answers account main again, after 10 min",
        ),
        ("tree.usable", {"root": "/srv"}, "over: delivery root /srv is not writable"),
        ("delivery.stored", {"path": "a\x1b[31m"}, "delivery.stored path=a\ufffd[31m"),
        ("newer.event", {"x": 1, "y": [2]}, "newer.event x=1 y=[2]"),
        (
            "daemon.started",
            {"version": "{account.__class__}"},
            "the daemon has started, version {account.__class__}",
        ),
    ],
)
def test_an_event_is_a_sentence_or_its_facts(event: str, facts: dict[str, object], expected: str) -> None:
    assert told(event, facts) == expected


def test_what_the_journal_puts_in_front_is_left_out() -> None:
    found = parse_line(f"<6>Nov 22 12:00:00 host orderwatch[7]: {line('daemon.stopped', level='warning')}")
    assert found is not None
    assert (found.event, found.level) == ("daemon.stopped", Level.WARNING)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Traceback (most recent call last):",
        line("order.changed")[:-4],
        "{}",
        "[1]",
        "{" * 100_000,
        '{"timestamp": 1, "level": "info", "event": "x.y"}',
        '{"timestamp": "2026-11-22T12:00:00Z", "level": "loud", "event": "x.y"}',
        '{"timestamp": "2026-11-22T12:00:00Z", "level": "info", "event": null}',
        '{"timestamp": "2026-11-22T12:00:00Z", "level": ["info"], "event": "x.y"}',
    ],
)
def test_a_foreign_or_broken_line_is_none(text: str) -> None:
    assert parse_line(text) is None


@given(
    st.text()
    | st.dictionaries(st.text(), st.none() | st.text() | st.integers() | st.floats()).map(json.dumps)
)
def test_no_text_ends_the_reading(text: str) -> None:
    parse_line(text)


@given(
    st.sampled_from(sorted(_TEXTS)),
    st.dictionaries(
        st.sampled_from(sorted(OF_DELIVERY | {"size", "lasted_seconds"})),
        st.text() | st.integers() | st.floats(0, 1e9),
    ),
)
def test_no_fact_ends_a_sentence_or_breaks_the_line(event: str, facts: dict[str, object]) -> None:
    assert "\n" not in told(event, facts)


def test_a_line_concerns_the_orders_that_it_names() -> None:
    found = parse_line(line("list.lacks", {"order_ids": ["7", "8"], "task_id": 9}))
    assert found is not None
    assert [found.concerns(order) for order in ("7", "8", "9", "10")] == [True, True, True, False]
