"""The catalogue's documents: sound STAC, whatever a provider calls things and however little it says."""

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pystac.validation import validate_dict
from tests.core.samples import DAY, NOON, capture, order, stored

from orderwatch.core import stac
from orderwatch.core.model import DeliveryState, SceneFacts

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SHA = "0f" * 32
PARENT = "stac/main-harbour/2026-11.json"
SQUARE = {"type": "Polygon", "coordinates": [[[10, 5], [11, 5], [11, 6], [10, 6], [10, 5]]]}


def validated(document: dict[str, Any]) -> dict[str, Any]:
    """Against the core's schemas, which pystac brings along; that of the file extension is not at hand."""
    plain = json.loads(json.dumps(document))
    validate_dict(plain, extensions=[])
    return document


def an_item(scene: SceneFacts | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of any field
    held = replace(stored(), sha256=SHA, scene=scene or SceneFacts(timestamp=NOON, footprint=SQUARE), **more)
    known = order(captures=[capture(satellite_name="newsat1")], deliveries=[held], project_name="Harbour")
    return validated(stac.item(known, [held], stac.item_path(known, held.scene_id), PARENT))


def test_an_item_says_what_where_and_when() -> None:
    item = an_item()
    assert (item["geometry"], item["bbox"]) == (SQUARE, [10, 5, 11, 6])
    told = item["properties"]
    assert (told["datetime"], told["platform"]) == ("2026-11-22T12:00:00Z", "newsat1")
    assert (told["orderwatch:task_id"], told["orderwatch:capture_id"]) == (23272, "c1")
    asset = item["assets"]["delivery_zip"]
    assert (asset["href"], asset["type"], asset["roles"]) == (
        "../../../a/s1.zip",
        "application/zip",
        ["data"],
    )
    assert (asset["file:checksum"], asset["file:size"]) == (f"1220{SHA}", 9)
    assert item["assets"]["delivery_zip.sidecar"]["href"] == "../../../a/s1.zip.json"


def test_an_older_version_keeps_an_asset_of_its_own() -> None:
    old = replace(stored(), sha256=SHA, state=DeliveryState.SUPERSEDED)
    new = replace(stored(), sha256="1e" * 32, version=2, path="a/s1.v2.zip")
    known = order(deliveries=[old, new])
    assets = validated(stac.item(known, [old, new], stac.item_path(known, "s1"), PARENT))["assets"]
    assert assets["delivery_zip"]["href"] == "../../../a/s1.v2.zip"
    assert assets["delivery_zip.v1"]["href"] == "../../../a/s1.zip"


def test_the_time_is_the_captures_then_the_window_then_that_of_the_file() -> None:
    held = replace(stored(), sha256=SHA)
    bare = order(deliveries=[held])
    path = stac.item_path(bare, "s1")
    early = replace(bare, captures=(capture(start=NOON - DAY),))
    assert (
        validated(stac.item(early, [held], path, PARENT))["properties"]["datetime"] == "2026-11-21T12:00:00Z"
    )
    windowed = validated(stac.item(replace(bare, start=NOON - DAY, end=NOON), [held], path, PARENT))[
        "properties"
    ]
    assert (windowed["datetime"], windowed["start_datetime"]) == (None, "2026-11-21T12:00:00Z")
    assert (
        validated(stac.item(bare, [held], path, PARENT))["properties"]["datetime"] == "2026-11-22T12:00:00Z"
    )


@pytest.mark.parametrize(
    "footprint",
    [
        None,
        {},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [1, 2]]]},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [5, 6], [7, 8]]]},
        {"type": "Polygon", "coordinates": [[[10, 50], [11, 51], [11, 50], [10, 51], [10, 50]]]},
        {"type": "Polygon", "coordinates": [[[10, 50], [11, 51], [12, 52], [10, 50]]]},
        {"type": "Point", "coordinates": [float("nan"), 1]},
        {"type": "Point", "coordinates": [True, 1]},
        {"type": "Point", "coordinates": [1, 91]},
        {"type": ["Point"], "coordinates": [1, 9]},
    ],
)
def test_a_footprint_that_is_none_leaves_an_item_without_a_place(footprint: dict[str, object] | None) -> None:
    item = an_item(SceneFacts(timestamp=NOON, footprint=footprint))
    assert item["geometry"] is None
    assert "bbox" not in item


def test_a_scene_across_180_has_a_cut_footprint_and_a_narrow_box() -> None:
    corners = [[179.5, -17], [-179.5, -17], [-179.5, -16], [179.5, -16], [179.5, -17]]
    fiji = SceneFacts(timestamp=NOON, footprint={"type": "Polygon", "coordinates": [corners]})
    item = an_item(fiji)
    assert (item["geometry"]["type"], item["bbox"]) == ("MultiPolygon", [179.5, -17, -179.5, -16])


@settings(max_examples=40)
@given(TEXTS.filter(bool), TEXTS)
def test_the_paths_are_plain_and_stay_where_they_belong(scene_id: str, project: str) -> None:
    path = stac.item_path(order(project_name=project), scene_id)
    folder, collection, task, name = path.split("/")
    assert (folder, task) == ("stac", "23272")
    assert collection.startswith("main-")
    assert name.endswith(".json")
    assert set(path) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")
    assert ".." not in PurePosixPath(path).parts


def test_what_is_called_otherwise_has_another_item() -> None:
    names = ["a/b", "a b", "a-b", "a_b", "é", "è", "/", ".."]
    assert len({stac.item_path(order(), name) for name in names}) == len(names)
    assert stac.item_path(order(project_name="Harbour East"), "s1") == "stac/main-harbour-east/23272/s1.json"
