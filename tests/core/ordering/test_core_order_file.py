"""Files of orders: TOML and GeoJSON, with every problem at once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.ordering.order_file import Draft, read_orders
from orderwatch.core.ordering.request import read_request

GOOD: dict[str, Any] = {
    "task_name": "Quay 5",
    "project_name": "Harbour 1",
    "product": 169,
    "start": "2026-12-01T00:00:00Z",
    "end": "2026-12-15T00:00:00Z",
}
POINT = {"type": "Point", "coordinates": [4.0333, 51.9555]}
CRS84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
MERCATOR = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
QUAY_5 = read_request(GOOD | {"target": POINT})[0]
QUAY_6 = read_request(GOOD | {"target": POINT, "task_name": "Quay 6"})[0]

ONE = """\
task_name = "Quay 5"
project_name = "Harbour 1"
product = 169
start = 2026-12-01T00:00:00Z
end = 2026-12-15T03:00:00+03:00
target = { type = "Point", coordinates = [4.0333, 51.9555] }
"""
TWO = f"[[order]]\n{ONE}\n[[order]]\n{ONE.replace('Quay 5', 'Quay 6')}"


def feature(**changes: object) -> dict[str, Any]:
    return {"type": "Feature", "geometry": POINT, "properties": GOOD | changes}


def collection(*features: object, **more: object) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **more}


def read(content: object) -> tuple[list[Draft], list[str]]:
    data = content if isinstance(content, str) else json.dumps(content)
    return read_orders(data.encode(), "orders.txt")


@pytest.mark.parametrize(
    "content",
    [
        ONE,
        f"\ufeff{ONE}",
        ONE.replace("\n", "\r\n"),
        f"[[order]]\n{ONE}",
        feature(),
        feature() | {"id": 7, "bbox": [4, 51, 4, 51], "crs": CRS84},
        feature(max_captures=None, account=None, note=None),
        collection(feature()),
        collection(feature(), name="layer", crs=CRS84, numberMatched=1),
        "\ufeff\n " + json.dumps(feature()),
    ],
)
def test_one_order_is_read_from_toml_and_from_geojson(content: object) -> None:
    assert read(content) == ([Draft(request=QUAY_5)], [])  # type: ignore[arg-type] # it is a good one


@pytest.mark.parametrize("content", [TWO, collection(feature(), feature(task_name="Quay 6"))])
def test_several_orders_are_read_in_their_order(content: object) -> None:
    drafts, problems = read(content)
    assert ([draft.request for draft in drafts], problems) == ([QUAY_5, QUAY_6], [])


@pytest.mark.parametrize(
    "content",
    [f'account = "main"\nnote = "for Ada"\n{ONE}', feature(account="main", note="for Ada")],
)
def test_an_order_may_name_its_account_and_carry_a_note(content: object) -> None:
    ((draft,), problems) = read(content)
    assert (draft.account, draft.note, problems) == ("main", "for Ada", [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "orders.txt: is empty"),
        (" \n", "orders.txt: is empty"),
        ("task_name =", "orders.txt: is neither TOML nor a JSON object"),
        (f"{'x' * 500} = 1\n" * 2, "orders.txt: is neither TOML nor a JSON object"),
        (f"[{'x' * 500}]\n" * 2, "orders.txt: is neither TOML nor a JSON object"),
        ('{"type": ', "orders.txt: is not JSON"),
        ("[1, 2]", "neither TOML nor a JSON object"),
        ("[]", "is a list"),
        ("[{}]", "is a list"),
        ("{}", "is not GeoJSON of orders"),
        ("order = []", "begin each order with [[order]]"),
        (f"[order]\n{ONE}", "begin each order with [[order]]"),
        (f'account = "main"\n{TWO}', "account: is outside [[order]]"),
        ('{"type": "Feature", "type": "Feature"}', "key type twice"),
        ('{"type": NaN}', "NaN"),
        ('{"type": -Infinity}', "Infinity"),
        (POINT, "is a bare geometry; write a Feature"),
        (collection(), "contains no orders"),
        ({"type": "FeatureCollection"}, "contains no orders"),
        ({"type": "Topology"}, "is not GeoJSON of orders"),
        (collection(feature(), crs=MERCATOR), "crs: must be CRS84"),
        (collection(feature(), max_captures=1), "max_captures: must be in the properties"),
        (feature() | {"crs": None}, "crs: must be CRS84"),
        (feature() | {"max_captures": 1}, "max_captures: must be in the properties"),
        (feature() | {"properties": None}, "properties: missing"),
        (feature() | {"geometry": None}, "target: missing"),
        (feature(target=POINT), "target: is the Feature's geometry"),
        (feature(start=None), "start: missing"),
        (feature(fid=1), "fid: unknown key; known are task_name"),
        (feature(account=3), "account: must be a string"),
        (feature(note=""), "note: must not be empty"),
        (collection(5), "must be a Feature"),
        (ONE.replace("T00:00:00Z", "T00:00:00"), "start: has no time zone"),
        (ONE.replace("2026-12-01T00:00:00Z", "2026-12-01"), "start: has no time zone"),
        (ONE.replace("4.0333", "nan"), "target: is not a position"),
        ("# nothing yet", "task_name: missing"),
        ("[[order]]", "task_name: missing"),
    ],
)
def test_what_cannot_be_ordered_is_said(content: object, said: str) -> None:
    _, problems = read(content)
    assert said in problems[0]
    assert all("\n" not in problem and len(problem) < 300 for problem in problems)


@pytest.mark.parametrize(
    ("before", "repeated", "times", "said"),
    [
        ("", "x", 5_000_001, "is larger than 5 MB"),
        ('{"type": ', "9", 5000, "thousands of digits"),
        ("product = ", "9", 5000, "thousands of digits"),
        ("", '{"a":', 100_000, "nested too deep"),
        ("a = ", "[", 100_000, "nested too deep"),
    ],
)
def test_a_file_without_measure_is_refused(before: str, repeated: str, times: int, said: str) -> None:
    drafts, (problem,) = read(f"{before}{repeated * times}{'}' if before.startswith('{') else ''}")
    assert drafts == []
    assert problem.startswith("orders.txt: ")
    assert said in problem


def test_a_file_that_is_not_utf_8_is_said() -> None:
    assert read_orders("Köln".encode("latin-1"), "k.toml") == (
        [],
        ["k.toml: is not UTF-8 text; save it as UTF-8"],
    )


def test_problems_of_one_order_among_several_name_it_and_the_others_are_read() -> None:
    wrong = feature(task_name="Quay 6", start="2026-12-01", product="x")
    drafts, problems = read(collection(feature(), wrong, 5))
    assert [draft.request for draft in drafts] == [QUAY_5]
    assert [problem.partition("; ")[0].partition(", e.g. ")[0] for problem in problems] == [
        'order 2 ("Quay 6"): product: must be a positive integer',
        'order 2 ("Quay 6"): start: has no time zone',
        "order 3: must be a Feature",
    ]


@pytest.mark.parametrize(
    "changes", [{}, {"account": "other"}, {"start": "2026-12-01T01:00:00+01:00"}, {"max_captures": 2}]
)
def test_an_order_that_stands_there_twice_is_said(changes: dict[str, Any]) -> None:
    drafts, problems = read(collection(feature(), feature(task_name="Quay 6"), feature(**changes)))
    assert [draft.request for draft in drafts] == [QUAY_5, QUAY_6]
    assert len(problems) == 1
    assert 'order 3 ("Quay 5"): equals order 1 ("Quay 5")' in problems[0]


def test_a_file_of_nothing_but_problems_says_a_hundred_of_them() -> None:
    drafts, problems = read(collection(*[feature(product=0)] * 500))
    assert (drafts, len(problems), problems[-1]) == ([], 101, "and 400 more problems")


def test_a_url_in_a_name_is_not_repeated() -> None:
    _, problems = read(collection(feature(), feature(task_name="https://quay.example/?token=canary")))
    assert problems
    assert "canary" not in str(problems)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=3), scalars, max_size=2)
keys = st.sampled_from(["type", "features", "geometry", "properties", "crs", "order", "coordinates", "x"])
parts = values | st.just(feature()) | st.just([feature()]) | st.just(POINT) | st.just("FeatureCollection")
documents = st.dictionaries(keys, parts | st.just("Feature"), max_size=5)


@given(documents | parts | st.builds(lambda document: collection(document, feature()), documents))
def test_whatever_json_a_file_holds_it_is_orders_or_problems(document: object) -> None:
    drafts, problems = read(document)
    assert drafts or problems
    assert all("\n" not in problem and len(problem) < 300 for problem in problems)


@given(st.binary(max_size=30) | st.text("[]{}=\"'.\n#:,order0", max_size=30).map(str.encode))
def test_whatever_bytes_a_file_holds_something_is_said(data: bytes) -> None:
    drafts, problems = read_orders(data, "any")
    assert drafts == []
    assert problems
    assert all("\n" not in problem for problem in problems)
