"""What stands beside a stored file."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.samples import NOON, capture, delivery, order, stored

from orderwatch.core.deliveries.sidecar import disagreements, parse, sidecar, zulu
from orderwatch.core.model import Delivery, DeliveryState, Order, SceneFacts

FOOTPRINT = {"type": "Polygon", "coordinates": [[[2.1, 41.3], [2.2, 41.3], [2.2, 41.4], [2.1, 41.3]]]}
ORDER = order(
    captures=[
        capture(
            start=NOON - timedelta(hours=1),
            published_at=NOON - timedelta(minutes=30),
            satellite_name="NewSat 36",
        )
    ],
    task_name="Köln",
    project_name="Harbour 1",
    product="L1D",
    document={"url": "https://api.example/hook?token=canary"},
)
DELIVERY = stored(
    version=2,
    scene=SceneFacts(timestamp=NOON, satellite_name="NS-36", product="L1D_SR", footprint=FOOTPRINT),
)


def test_the_sidecar_tells_what_the_file_is() -> None:
    assert json.loads(sidecar(ORDER, DELIVERY, NOON)) == {
        "account": "main",
        "order": "23272",
        "task": 23272,
        "task_name": "Köln",
        "project_name": "Harbour 1",
        "product": "L1D",
        "capture": "c1",
        "capture_start": "2026-11-22T11:00:00Z",
        "published_at": "2026-11-22T11:30:00Z",
        "satellite": "NewSat 36",
        "scene": "s1",
        "scene_timestamp": "2026-11-22T12:00:00Z",
        "scene_product": "L1D_SR",
        "collection": None,
        "grid": None,
        "product_version": None,
        "cloud_cover": None,
        "footprint": FOOTPRINT,
        "attachment": "delivery_zip",
        "version": 2,
        "file_name": "s1.zip",
        "fingerprint": "f1",
        "size": 9,
        "sha256": "ab",
        "stored_at": "2026-11-22T12:00:00Z",
    }


def test_it_is_text_for_people_too_and_holds_no_url() -> None:
    text = sidecar(ORDER, DELIVERY, NOON).decode()
    assert "Köln" in text
    assert text.endswith("}\n")
    assert "://" not in text
    assert "canary" not in text


def test_an_order_that_knows_no_capture_still_describes_the_scene() -> None:
    told = json.loads(sidecar(order(), DELIVERY, NOON))
    assert (told["satellite"], told["capture_start"]) == ("NS-36", None)


def test_facts_nobody_told_are_null() -> None:
    told = json.loads(sidecar(order(), delivery(), NOON))
    assert (told["footprint"], told["scene_timestamp"], told["size"]) == (None, None, None)


def test_times_of_any_zone_are_written_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert zulu(datetime(2026, 11, 23, 1, 30, tzinfo=tokyo)) == "2026-11-22T16:30:00Z"
    assert zulu(NOON.replace(microsecond=5)) == "2026-11-22T12:00:00.000005Z"


def test_the_same_delivery_gives_the_same_bytes() -> None:
    assert sidecar(ORDER, DELIVERY, NOON) == sidecar(replace(ORDER, version=9), DELIVERY, NOON)


@pytest.mark.parametrize("wrong", [-1, 101, True, "7"])
def test_a_cloud_cover_that_is_no_percentage_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="cloud_cover is not a percentage"):
        parse(changed(cloud_cover=wrong))


@pytest.mark.parametrize("unset", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2201-01-01T00:00:00Z"])
def test_a_date_of_the_provider_that_cannot_be_is_none(unset: str) -> None:
    told = parse(changed(capture_start=unset, scene_timestamp=unset))
    assert (told.capture_start, told.delivery.scene.timestamp) == (None, None)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
maybe_texts = st.none() | texts
numbers = st.integers(0, 2**63 - 1)
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is drawn
maybe_times = st.none() | times
deliveries = st.builds(
    Delivery,
    account=texts,
    order_id=texts.filter(bool),
    task_id=st.none() | numbers,
    capture_id=st.just("c1"),
    scene_id=texts,
    attachment=texts,
    version=st.integers(1, 2**31),
    file_name=texts,
    fingerprint=texts,
    scene=st.builds(
        SceneFacts,
        timestamp=maybe_times,
        satellite_name=maybe_texts,
        product=maybe_texts,
        cloud_cover=st.none() | st.floats(0, 100),
        footprint=st.none()
        | st.dictionaries(texts, st.lists(st.floats(-180, 180) | texts, max_size=3), max_size=3),
    ),
    state=st.just(DeliveryState.STORED),
    size=numbers,
    sha256=texts,
    stored_at=times,
)
orders = st.builds(
    lambda name, start, satellite, published: order(
        captures=[capture(start=start, satellite_name=satellite, published_at=published)],
        task_name=name,
        project_name="Harbour",
        product=None,
    ),
    maybe_texts,
    maybe_times,
    maybe_texts,
    maybe_times,
)


@given(deliveries, orders)
def test_what_is_written_is_read_back(held: Delivery, of: Order) -> None:
    (taken,) = of.captures
    assert held.stored_at is not None
    told = parse(sidecar(of, held, held.stored_at))
    satellite = taken.satellite_name or held.scene.satellite_name
    scene = replace(held.scene, satellite_name=satellite)
    assert told.delivery == replace(held, scene=scene, durable=held.size or 0)
    assert (told.task_name, told.project_name, told.product) == (of.task_name, "Harbour", None)
    assert (told.capture_start, told.published_at) == (taken.start, taken.published_at)
    assert (told.stored_at, told.satellite_name) == (held.stored_at, satellite)
    assert disagreements(told, held) == []


@given(
    st.binary(max_size=40)
    | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_whatever_stands_there_is_read_or_refused_in_words(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^it is not "):
        parse(content)


def changed(**fields: Any) -> bytes:  # noqa: ANN401 - of any field
    return json.dumps({**json.loads(sidecar(ORDER, DELIVERY, NOON)), **fields}).encode()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        *[
            (name, None, f"{name} is missing")
            for name in ("account", "scene", "version", "fingerprint", "size", "sha256", "stored_at")
        ],
        ("order", 7, "order is not text"),
        ("task", "7", "task is not a valid number"),
        ("task", True, "task is not a valid number"),
        ("task", 2**63, "task is not a valid number"),
        ("version", 0, "version is not a valid number"),
        ("size", -1, "size is not a valid number"),
        ("scene", 7, "scene is not text"),
        ("task_name", "\ud800", "task_name is not text"),
        ("footprint", [1], "footprint is not an object"),
        ("stored_at", "2026-11-22T12:00:00", "stored_at is not a time with a zone"),
        ("stored_at", "yesterday", "stored_at is not a time with a zone"),
        ("stored_at", "0001-01-01T00:00:00+14:00", "stored_at is not a time with a zone"),
    ],
)
def test_a_sidecar_that_lacks_or_garbles_something_says_what(field: str, value: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(changed(**{field: value}))


def test_a_sidecar_of_the_first_version_is_read_too() -> None:
    old = json.loads(sidecar(ORDER, DELIVERY, NOON))
    del old["published_at"]
    del old["order"]
    told = parse(json.dumps({**old, "of a later version": 1}).encode())
    assert told.published_at is None
    assert told.delivery.sha256 == "ab"
    assert (told.delivery.order_id, told.delivery.task_id) == ("23272", 23272)
    assert disagreements(told, DELIVERY) == []


def test_a_sidecar_of_the_first_version_needs_its_task() -> None:
    old = json.loads(sidecar(ORDER, DELIVERY, NOON))
    del old["order"]
    with pytest.raises(ValueError, match="task is missing"):
        parse(json.dumps({**old, "task": None}).encode())


@pytest.mark.parametrize("order_id", ["000383", "0b1c2d3e-4f50-4678-9abc-def012345678", "23272"])
def test_an_order_without_a_task_id_is_described_by_its_order_id(order_id: str) -> None:
    held = replace(DELIVERY, order_id=order_id, task_id=None)
    written = sidecar(ORDER, held, NOON)
    assert (json.loads(written)["order"], json.loads(written)["task"]) == (order_id, None)
    told = parse(written)
    assert (told.delivery.order_id, told.delivery.task_id) == (order_id, None)
    assert disagreements(told, held) == []
    assert disagreements(told, replace(held, order_id="383")) == ["order"]


def test_what_a_row_has_otherwise_is_named_and_names_of_orders_may_change() -> None:
    told = parse(changed(task_name="renamed", size=10, fingerprint="f2"))
    assert disagreements(told, DELIVERY) == ["fingerprint", "size"]
