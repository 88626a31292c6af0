"""Orders by SKU: their parameters are read with every problem at once, and found again."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.ordering.test_core_request import GOOD, POINT, POLYGON, json_values, nasty, request
from tests.core.samples import NOON

from orderwatch.core.ordering.matching import equivalent, matches
from orderwatch.core.ordering.request import (
    KnownOrderNames,
    Request,
    fingerprint,
    from_body,
    offer_problems,
    read_request,
)
from orderwatch.core.orders.snapshot import OrderSnapshot

BY_SKU: dict[str, Any] = {key: value for key, value in GOOD.items() if key != "product"} | {"sku": "TSKPOI-M"}
AREA = BY_SKU | {
    "sku": "TSKARE-M",
    "target": POLYGON,
    "min_off_nadir": 0,
    "max_off_nadir": 25.5,
    "min_sun_elevation": 10,
    "max_sun_elevation": 90,
    "processing_level": "L1D_SR",
    "remapping_mode": "piecewise",
    "remapping_period": "P7D",
}


def by_sku(**changes: object) -> Request:
    read, problems = read_request(BY_SKU | changes)
    assert problems == []
    assert read is not None
    return read


def test_a_body_holds_the_parameters_as_they_were_written() -> None:
    read, problems = read_request(AREA)
    assert problems == []
    assert read is not None
    assert read.body == json.loads(json.dumps(AREA))
    assert from_body(json.loads(json.dumps(read.body))) == read
    assert read_request(read.body) == (read, [])


def test_an_order_by_product_keeps_its_fingerprint() -> None:
    """Else a standing order that is placed would be placed again."""
    more = request(max_captures=3, expected_age="7 days")
    found = [fingerprint("main", asked)[:16] for asked in (request(), more)]
    assert found == ["4af003fc4afb2f59", "851099a06e0741eb"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"max_off_nadir": 25.0}, 25),
        ({"max_off_nadir": 0}, 0),
        ({"min_sun_elevation": 90}, 90),
        ({"revisit_period": " p3d "}, "P3D"),
        ({"revisit_period": "P1DT12H"}, "P1DT12H"),
        ({"revisit_period": "P1Y2M3W4DT5H6M7S"}, "P1Y2M3W4DT5H6M7S"),
        ({"sku": " TSKRSH-M.15.01 "}, "TSKRSH-M.15.01"),
        ({"sku": "NEWSKU"}, "NEWSKU"),
        ({"processing_level": "L1D"}, "L1D"),
    ],
)
def test_values_are_taken_as_people_write_them(written: dict[str, Any], kept: object) -> None:
    ((key, _),) = written.items()
    assert by_sku(**written).body[key] == kept


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sku": 169}, "sku: must be a string"),
        ({"sku": "tskpoi"}, "sku: must be a SKU"),
        ({"sku": "TSKPOI M"}, "sku: must be a SKU"),
        ({"sku": "ARCIMG-M.NN.NN"}, "sku: is for images of the archive"),
        ({"product": 169}, "sku: replaces product"),
        ({"sku": None}, "product: missing"),
        ({"max_captures": 4}, "max_captures: is for an order with a product"),
        ({"expected_age": 4}, "expected_age: is for an order with a product"),
        ({"max_off_nadir": -1}, "max_off_nadir: must be a number of degrees"),
        ({"max_off_nadir": 91}, "max_off_nadir: must be a number of degrees"),
        ({"max_off_nadir": "25"}, "max_off_nadir: must be a number of degrees"),
        ({"max_off_nadir": True}, "max_off_nadir: must be a number of degrees"),
        ({"max_off_nadir": float("nan")}, "max_off_nadir: must be a number of degrees"),
        ({"min_off_nadir": 20, "max_off_nadir": 10}, "max_off_nadir: is less than min_off_nadir"),
        (
            {"min_sun_elevation": 20, "max_sun_elevation": 10},
            "max_sun_elevation: is less than min_sun_elevation",
        ),
        ({"processing_level": "l1d"}, "processing_level: must be a processing level"),
        ({"revisit_period": "7 days"}, "revisit_period: must be a duration"),
        ({"revisit_period": "P"}, "revisit_period: must be a duration"),
        ({"revisit_period": "PT"}, "revisit_period: must be a duration"),
        ({"revisit_period": "P1DT"}, "revisit_period: must be a duration"),
        ({"revisit_period": "P0D"}, "revisit_period: must be a duration"),
        ({"revisit_period": 7}, "revisit_period: must be a duration"),
        ({"remapping_mode": "piecewise"}, "remapping_mode: is for a Polygon"),
        ({"remapping_period": "P7D"}, "remapping_period: is for a Polygon"),
        ({"target": POLYGON}, "sku: TSKPOI-M takes a Point, not a Polygon"),
        ({"sku": "TSKRRD-M.NN.NN", "target": POLYGON}, "sku: TSKRRD-M.NN.NN takes a Point"),
        ({"sku": "TSKARE-M"}, "sku: TSKARE-M takes a Polygon, not a Point"),
        (AREA | {"revisit_period": "P7D"}, "revisit_period: is for a Point"),
        (AREA | {"remapping_mode": "all"}, "remapping_mode: must be one of piecewise, batch"),
        (AREA | {"remapping_mode": ["batch"]}, "remapping_mode: must be one of"),
    ],
)
def test_what_cannot_be_ordered_is_said_under_its_key(changes: dict[str, Any], said: str) -> None:
    read, problems = read_request(BY_SKU | changes)
    assert read is None
    assert [problem.startswith(said) for problem in problems] == [True]


@pytest.mark.parametrize("key", [key for key in AREA if key not in BY_SKU])
def test_an_order_by_product_takes_no_parameters_of_the_other_api(key: str) -> None:
    read, problems = read_request(GOOD | {key: AREA[key]})
    assert read is None
    assert problems == [f"{key}: is for an order with a sku; remove it"]


@given(
    st.dictionaries(
        st.sampled_from([*AREA, "product", "revisit_period", "x"]),
        json_values | nasty | st.sampled_from([*AREA.values()]),
    )
)
def test_whatever_is_written_is_an_order_or_has_problems(document: dict[str, object]) -> None:
    for written in (document, BY_SKU | document, AREA | document):
        read, problems = read_request(written)
        assert (read is None) == bool(problems)
        assert all("\n" not in problem and len(problem) < 400 for problem in problems)


def test_an_account_takes_either_products_or_skus() -> None:
    skus, products = (
        KnownOrderNames(NOON, None, orders_by_sku=True),
        KnownOrderNames(NOON, (), orders_by_sku=False),
    )
    assert offer_problems(by_sku(), skus) == []
    assert offer_problems(request(), skus) == [
        "product: this account orders by sku; write sku, e.g. TSKPOI-M, instead"
    ]
    (problem,) = offer_problems(by_sku(), products)
    assert problem.startswith("sku: this account orders by product")
    assert offer_problems(by_sku(), KnownOrderNames(NOON, None)) == []
    read, problems = read_request(BY_SKU, products)
    assert read is None
    assert problem in problems


@pytest.mark.parametrize(
    "change",
    [
        {"sku": "TSKRSH-M.15.01"},
        {"max_off_nadir": 25},
        {"revisit_period": "P3D"},
        {"processing_level": "L1D"},
    ],
)
def test_other_parameters_make_another_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint("main", by_sku(**change)) != fingerprint("main", by_sku())


def shown(asked: Request, **changes: object) -> OrderSnapshot:
    """The order as the v2 list shows it, with the height that the service adds."""
    seen = OrderSnapshot(
        order_id="013163",
        status="received",
        phase=None,
        task_name=asked.task_name,
        project_name=asked.project_name,
        product=asked.sku,
        start=asked.start,
        end=asked.end,
        document={"target": {"type": "Point", "coordinates": [*POINT["coordinates"], 664.04]}},
    )
    return replace(seen, **changes)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"product": None}, True),
        ({"product": "169"}, True),
        ({"product": "tskrsh-m.15.01"}, True),
        ({"product": "TSKPOI-M"}, False),
        ({"task_name": "Quay 6"}, False),
        ({"document": {"target": {"type": "Point", "coordinates": [5.0, 51.9555]}}}, False),
    ],
)
def test_an_order_is_found_by_names_sku_and_two_coordinates(changes: dict[str, Any], *, same: bool) -> None:
    asked = by_sku(sku="TSKRSH-M.NN.NN")
    assert matches(asked, shown(asked, **changes)) is same


def test_a_product_and_a_sku_may_be_the_same_order() -> None:
    """An order that was placed over one API appears in the list of the other."""
    assert equivalent(by_sku(), request())
    assert equivalent(request(), by_sku())
    assert matches(request(), shown(by_sku()))
    assert not equivalent(by_sku(), by_sku(sku="TSKRSH-M.NN.NN"))
    assert by_sku(target=POINT) == by_sku()
