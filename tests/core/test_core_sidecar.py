"""What stands beside a stored file."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from tests.core.samples import NOON, capture, delivery, order, stored

from orderwatch.core.model import SceneFacts
from orderwatch.core.sidecar import sidecar, zulu

FOOTPRINT = {"type": "Polygon", "coordinates": [[[2.1, 41.3], [2.2, 41.3], [2.2, 41.4], [2.1, 41.3]]]}
ORDER = order(
    captures=[capture(start=NOON - timedelta(hours=1), satellite_name="NewSat 36")],
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
        "task": 23272,
        "task_name": "Köln",
        "project_name": "Harbour 1",
        "product": "L1D",
        "capture": "c1",
        "capture_start": "2026-11-22T11:00:00Z",
        "satellite": "NewSat 36",
        "scene": "s1",
        "scene_timestamp": "2026-11-22T12:00:00Z",
        "scene_product": "L1D_SR",
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
