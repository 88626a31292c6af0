"""Whether the provider shows an order already: a miss would place it twice."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.ordering.test_core_request import POLYGON, request, requests
from tests.core.samples import NOON

from orderwatch.core.ordering.matching import equivalent, matches, may_match
from orderwatch.core.ordering.request import Request
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.provider.schemas import Task
from orderwatch.simulator.placing import placed
from orderwatch.simulator.scenario import CONTRACT, Scenario
from orderwatch.simulator.world import World

SECOND = timedelta(seconds=1)


def shown(asked: Request, **changes: object) -> OrderSnapshot:
    """The order as the simulated provider lists it once it was placed, with changes."""
    world, order = placed(World(Scenario(), NOON, ("",)), json.loads(json.dumps(asked.body)), CONTRACT, 0.0)
    raw = json.loads(json.dumps(world.task(order, 0.0))) | changes
    return Task.model_validate(raw).to_snapshot(raw)


@given(requests)
def test_an_order_that_was_placed_is_found_in_the_list(asked: Request) -> None:
    assert matches(asked, shown(asked))


@settings(max_examples=30)
@given(requests, requests)
def test_an_order_of_another_name_is_another(asked: Request, other: Request) -> None:
    named = replace(other, task_name=f"{asked.task_name}!")
    assert not matches(asked, shown(named))


@pytest.mark.parametrize(
    "changes",
    [
        {"task_name": "Quay  5 "},
        {"product": "169"},
        {"product": 169.0},
        {"product": {"pk": 169}},
        {"product": "Point of interest"},
        {"product": None},
        {"start": "2026-12-01T00:00:01Z"},
        {"start": "2026-12-01T00:00:00"},
        {"start": None, "end": "soon"},
        {"target": None},
        {"target": {"type": "Point", "coordinates": [4.033304, 51.955496, 7.0]}},
        {"target": {"type": "Point", "coordinates": ["4.03", "51.95"]}},
        {"status": "canceled", "created_time": None, "client": None},
    ],
)
def test_what_is_missing_rounded_or_unreadable_does_not_speak_against(changes: dict[str, Any]) -> None:
    assert matches(request(), shown(request(), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"task_name": "quay 6"},
        {"task_name": None},
        {"project_name": "Harbour"},
        {"project_name": None},
        {"product": 90},
        {"start": "2026-12-01T00:02:00Z"},
        {"end": "2026-12-14T23:58:00Z"},
        {"target": {"type": "Point", "coordinates": [4.0334, 51.9555]}},
        {"target": POLYGON},
    ],
)
def test_what_is_shown_otherwise_speaks_against(changes: dict[str, Any]) -> None:
    assert not matches(request(), shown(request(), **changes))


def test_names_are_the_same_composed_or_not() -> None:
    assert matches(request(task_name="K\u00f6ln"), shown(request(), task_name="Ko\u0308ln"))


times = st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC))
odd = st.none() | st.text(max_size=3) | st.integers() | st.lists(st.none() | st.integers(), max_size=3)


@given(st.none() | st.text(max_size=5), times, st.dictionaries(st.sampled_from(["target", "x"]), odd))
def test_whatever_the_provider_shows_is_compared(
    product: str | None, start: datetime | None, document: dict[str, object]
) -> None:
    seen = replace(shown(request()), product=product, start=start, document=document)
    assert matches(request(), seen) in {True, False}
    assert matches(request(), replace(seen, product=None, start=None))


def test_a_minute_is_the_widest_that_times_may_differ() -> None:
    asked = request()
    seen = shown(asked)
    assert matches(asked, replace(seen, start=asked.start - 60 * SECOND, end=asked.end + 60 * SECOND))
    assert not matches(asked, replace(seen, start=asked.start - 61 * SECOND))


@pytest.mark.parametrize(
    "changes",
    [
        {"target": POLYGON},
        {"start": "2027-12-01T00:00:00Z", "product": 90},
        {"task_name": None},
        {"task_name": None, "project_name": None, "target": None, "start": None, "end": None},
    ],
)
def test_what_could_be_it_all_the_same_is_told_from_what_cannot(changes: dict[str, Any]) -> None:
    assert may_match(request(), shown(request(), **changes))
    assert not may_match(request(), shown(request(), **{**changes, "task_name": "Pier 1"}))


def test_a_long_name_that_is_cut_could_be_it() -> None:
    asked = request(task_name="Quay 5, the northern end, before noon")
    assert may_match(asked, shown(asked, task_name="Quay 5, the northern end"))
    assert not may_match(asked, shown(asked, task_name="Quay 5"))
    assert not may_match(asked, shown(asked, task_name="Quay 5, the northern end", product=90))


def test_orders_that_the_list_cannot_tell_apart_are_alike() -> None:
    assert equivalent(request(), request(max_captures=4, expected_age="7 days"))
    assert not equivalent(request(), request(task_name="Quay 6"))
