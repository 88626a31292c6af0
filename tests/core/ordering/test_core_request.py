"""What is to be ordered: read with every problem at once, sent in one form, and found again."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import DAY, HOUR, NOON

from orderwatch.core.ordering.request import (
    KnownOrderNames,
    Product,
    Request,
    fingerprint,
    from_body,
    offer_problems,
    read_request,
    window_problems,
)

POINT = {"type": "Point", "coordinates": [4.0333, 51.9555]}
GOOD: dict[str, Any] = {
    "task_name": "Quay 5",
    "project_name": "Harbour 1",
    "product": 169,
    "target": POINT,
    "start": "2026-12-01T00:00:00Z",
    "end": "2026-12-15T00:00:00Z",
}
POLYGON = {"type": "Polygon", "coordinates": [[[4, 51], [5, 51], [4.5, 52], [4, 51]]]}


def request(**changes: object) -> Request:
    read, problems = read_request(GOOD | changes)
    assert problems == []
    assert read is not None
    return read


def problems_of(**changes: object) -> list[str]:
    read, problems = read_request(GOOD | changes)
    assert read is None
    return problems


def test_a_body_is_what_the_provider_documents() -> None:
    assert request().body == GOOD
    more = {"max_captures": 3, "expected_age": "7 days"}
    assert request(**more).body == GOOD | more


def test_the_body_is_the_same_however_the_order_was_written() -> None:
    written = {
        "task_name": "  Quay 5 ",
        "product": "169",
        "target": POINT | {"coordinates": (4.0333, 51.9555, -0.0), "bbox": None},
        "start": "2026-12-01T03:00:00+03:00",
        "end": datetime(2026, 12, 14, 19, tzinfo=timezone(-5 * HOUR)),
        "max_captures": None,
        "expected_age": None,
    }
    assert json.dumps(request(**written).body) == json.dumps(GOOD)


@pytest.mark.parametrize("product", [169, 169.0, "169", " 169 ", "169.0"])
def test_numbers_are_taken_as_tools_write_them(product: object) -> None:
    assert request(product=product, max_captures=product).body == GOOD | {"product": 169, "max_captures": 169}


@pytest.mark.parametrize("age", ["7 days", 0, 3, 2.5])
def test_an_expected_age_is_passed_on_as_it_is(age: object) -> None:
    assert request(expected_age=age).body["expected_age"] == age


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("task_name", " \n", "empty"),
        ("task_name", 5, "must be a string"),
        ("task_name", "x" * 201, "at most 200"),
        ("task_name", "Quay\n5", "control character"),
        ("task_name", "Quay\u20285", "control character"),
        ("project_name", "Quay\ud8005", "control character"),
        ("project_name", "see https://quay.example", "URL"),
        ("product", 0, "positive integer"),
        ("product", -1, "positive integer"),
        ("product", True, "positive integer"),
        ("product", 169.5, "positive integer"),
        ("product", "POI", "positive integer"),
        ("product", "٣", "positive integer"),
        ("product", float("inf"), "positive integer"),
        ("product", 2**63, "positive integer"),
        ("max_captures", 0, "positive integer"),
        ("expected_age", "", "empty"),
        ("expected_age", "x" * 101, "at most 100"),
        ("expected_age", -1, "0 or more"),
        ("expected_age", True, "0 or more"),
        ("expected_age", float("nan"), "0 or more"),
        ("expected_age", 10**400, "0 or more"),
        ("start", "2026-12-01T00:00:00", "has no time zone"),
        ("start", "2026-12-01", "has no time zone"),
        ("start", date(2026, 12, 1), "has no time zone"),
        ("start", datetime(2026, 12, 1), "has no time zone"),  # noqa: DTZ001 - that is the point
        ("start", "tomorrow", "must be a time"),
        ("start", 1_800_000_000, "must be a time"),
        ("start", NOON.time(), "must be a time"),
        ("start", "0001-01-01T00:00:00+03:00", "calendar"),
        ("end", "9999-12-31T23:00:00-03:00", "calendar"),
        ("end", GOOD["start"], "must be after start"),
        ("end", "2026-12-01T00:00:59Z", "less than a minute"),
        ("end", "2028-12-02T00:00:00Z", "more than two years"),
        ("target", POINT | {"type": "MultiPolygon"}, "split it"),
        ("task-name", "Quay", "did you mean task_name?"),
    ],
)
def test_what_cannot_be_ordered_is_said_under_its_key(key: str, value: object, said: str) -> None:
    (problem,) = problems_of(**{key: value})
    assert problem.startswith(f"{key}: ")
    assert said in problem


def test_every_problem_is_said_at_once() -> None:
    read, problems = read_request({"task_name": None, "product": "x", "target": {}, "start": "x", "color": 1})
    assert read is None
    assert [problem.partition(":")[0] for problem in problems] == [
        "color",
        "task_name",
        "project_name",
        "product",
        "target",
        "start",
        "end",
    ]


def test_problems_do_not_repeat_what_may_be_a_token() -> None:
    document = GOOD | {
        "https://api.example/?token=canary": 1,
        "task_name": "https://api.example/?token=canary",
    }
    assert "canary" not in str(read_request(document))
    _, many = read_request({f"key {number}": 1 for number in range(50)} | GOOD)
    assert many[-1] == "and 40 more unknown keys"


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.datetimes()
json_values = (
    scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=3), scalars, max_size=2)
)
nasty = st.sampled_from(["9" * 5000, "\ud800", "\0", 10**400, 1e999, "0001-01-01T00:00+23:59", date(1, 1, 1)])


@given(st.dictionaries(st.sampled_from([*GOOD, "max_captures", "expected_age", "x"]), json_values | nasty))
def test_whatever_is_written_is_an_order_or_has_problems(document: dict[str, object]) -> None:
    for written in (document, GOOD | document):
        read, problems = read_request(written)
        assert (read is None) == bool(problems)
        assert len(problems) < 20
        assert all("\n" not in problem and len(problem) < 300 for problem in problems)


names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=8)
good_names = names.filter(lambda name: name.strip() and "://" not in name)
places = st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from([0.0, 4.5]))
targets = places.map(lambda place: {"type": "Point", "coordinates": list(place)}) | st.just(POLYGON)
times = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is drawn
requests = st.builds(
    lambda **fields: request(**fields | {"end": fields["start"] + fields["end"]}),
    task_name=good_names,
    project_name=good_names,
    product=st.integers(1, 2**63 - 1),
    target=targets,
    start=times,
    end=st.timedeltas(timedelta(minutes=1), timedelta(days=700)),
    max_captures=st.none() | st.integers(1, 9),
    expected_age=st.none() | st.integers(0, 9) | st.floats(0, 9) | st.just("7 days"),
)


@given(requests)
def test_a_body_that_was_kept_is_the_same_order_again(asked: Request) -> None:
    kept = json.loads(json.dumps(asked.body))
    assert from_body(kept) == asked
    assert from_body(kept).body == asked.body
    assert read_request(kept) == (asked, [])
    assert fingerprint("main", from_body(kept)) == fingerprint("main", asked)


@pytest.mark.parametrize(
    "written",
    [
        {"start": "2026-12-01T03:00:00+03:00"},
        {"product": 169.0},
        {"target": {"coordinates": [4.0333, 51.9555, 0], "type": "Point"}},
        {"task_name": "Quay\u00a0 5"},
        dict(reversed(GOOD.items())),
    ],
)
def test_equal_orders_have_one_fingerprint(written: dict[str, Any]) -> None:
    assert fingerprint("main", request(**written)) == fingerprint("main", request())
    assert len(fingerprint("main", request())) == 64


def test_a_fingerprint_tells_1_and_1_0_as_one_and_composed_names_too() -> None:
    assert fingerprint("main", request(expected_age=1)) == fingerprint("main", request(expected_age=1.0))
    composed, decomposed = request(task_name="K\u00f6ln"), request(task_name="Ko\u0308ln")
    assert fingerprint("main", composed) == fingerprint("main", decomposed)


@pytest.mark.parametrize(
    "written",
    [
        {"task_name": "Quay 6"},
        {"project_name": "Harbour 2"},
        {"product": 90},
        {"target": POLYGON},
        {"target": {"type": "Point", "coordinates": [4.0333, 51.9555, 1]}},
        {"start": "2026-12-01T00:00:01Z"},
        {"end": "2026-12-15T00:00:01Z"},
        {"max_captures": 1},
        {"expected_age": 1},
    ],
)
def test_other_orders_and_other_accounts_have_other_fingerprints(written: dict[str, Any]) -> None:
    assert fingerprint("main", request(**written)) != fingerprint("main", request())
    assert fingerprint("main", request()) != fingerprint("other", request())


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (-DAY, DAY, None),
        (-2 * DAY, DAY, None),
        (730 * DAY, 731 * DAY, None),
        (-DAY, timedelta(), "end: the window is over"),
        (-3 * DAY, -2 * DAY, "end: the window is over"),
        (-2 * DAY - timedelta(seconds=1), DAY, "start: is more than two days in the past"),
        (732 * DAY, 733 * DAY, "start: is more than two years ahead"),
    ],
)
def test_a_window_is_judged_by_the_time_of_day(begins: timedelta, ends: timedelta, said: str | None) -> None:
    asked = request(start=NOON + begins, end=NOON + ends)
    assert [problem.startswith(str(said)) for problem in window_problems(asked, NOON)] == [True] * bool(said)


def test_the_providers_own_example_can_be_ordered_when_it_was() -> None:
    asked = request(start="2020-12-23T00:00:00+03:00", end="2021-01-12T00:00:00+03:00")
    assert window_problems(asked, datetime(2020, 12, 23, 22, 13, 52, tzinfo=UTC)) == []


def product_problems(asked: Request, products: list[Product]) -> list[str]:
    return offer_problems(asked, KnownOrderNames(NOON, products))


PRODUCTS = [
    Product(pk=90, name=None, is_area=None),
    Product(pk=169, name="Point of interest", is_area=False),
    Product(pk=178, name="Area of interest", is_area=True),
]


@pytest.mark.parametrize(
    ("product", "target", "words"),
    [
        (169, POINT, []),
        (178, POLYGON, []),
        (90, POINT, []),
        (90, POLYGON, []),
        (170, POINT, ["no product 170", "90 (unnamed), 169 (Point of interest), 178"]),
        (169, POLYGON, ["169 does not take a Polygon", "90 (unnamed), 178 (Area of interest)"]),
        (178, POINT, ["178 does not take a Point", "169"]),
    ],
)
def test_a_product_has_to_be_there_and_fit_the_target(
    product: int, target: dict[str, Any], words: list[str]
) -> None:
    said = product_problems(request(product=product, target=target), PRODUCTS)
    assert len(said) == bool(words)
    assert all(word in said[0] for word in words)


def test_a_contract_without_a_fitting_product_is_said_so() -> None:
    assert "no product does" in product_problems(request(), [])[0]
    assert "no product does" in product_problems(request(target=POLYGON), [PRODUCTS[1]])[0]
    many = [replace(PRODUCTS[1], pk=pk, name="x" * 500) for pk in range(200, 300)]
    assert product_problems(request(), many)[0].endswith("…")
    assert len(product_problems(request(), many)[0]) < 1200
