"""Orders on a map: what is drawn of them, and what is not."""

from dataclasses import replace

from tests.core.samples import NOON, capture, delivery, order, stored

from orderwatch.core.geo.geojson import collection, features
from orderwatch.core.model import DeliveryState, SceneFacts

RING = [[10.0, 50.0], [11.0, 50.0], [11.0, 51.0], [10.0, 50.0]]
SQUARE = {"type": "Polygon", "coordinates": [RING]}
SCENE = SceneFacts(timestamp=NOON, satellite_name="NewSat 15", footprint=SQUARE)


def test_a_target_is_a_feature_with_what_is_known_of_its_order() -> None:
    target = {"type": "Point", "coordinates": [10, 50, 120.5], "more": "inside"}
    (feature,) = features(order(document={"target": target}, task_name="Quay", project_name="Harbour"))
    assert feature == {
        "type": "Feature",
        "bbox": [10.0, 50.0, 10.0, 50.0],
        "geometry": {"type": "Point", "coordinates": [10.0, 50.0]},
        "properties": {
            "kind": "target",
            "account": "main",
            "order_id": "23272",
            "task_id": 23272,
            "task_name": "Quay",
            "project_name": "Harbour",
            "status": "in_progress",
            "state": "open",
        },
    }


def test_a_scene_is_one_footprint_however_much_is_delivered_of_it() -> None:
    wanted = [stored(scene=SCENE), delivery(DeliveryState.WAITING, attachment="thumbnail", scene=SCENE)]
    (feature,) = features(order(captures=[capture()], deliveries=wanted))
    properties = feature["properties"]
    assert isinstance(properties, dict)
    assert feature["geometry"] == SQUARE
    assert properties["kind"] == "footprint"
    assert (properties["capture_id"], properties["scene_id"]) == ("c1", "s1")
    assert properties["satellite_name"] == "NewSat 15"
    assert properties["datetime"] == "2026-11-22T12:00:00Z"
    assert (properties["deliveries"], properties["stored"]) == ("stored, waiting", False)


def test_of_a_scene_that_was_published_again_the_newest_footprint_counts() -> None:
    moved = [[[lon + 1, lat] for lon, lat in RING]]
    newer = replace(SCENE, footprint={"type": "Polygon", "coordinates": moved})
    former = delivery(DeliveryState.SUPERSEDED, scene=SCENE)
    (feature,) = features(order(deliveries=[stored(scene=newer, version=2), former]))
    assert feature["geometry"] == {"type": "Polygon", "coordinates": moved}
    assert isinstance(feature["properties"], dict)
    assert (feature["properties"]["version"], feature["properties"]["stored"]) == (2, True)


def test_what_cannot_be_drawn_is_left_out_and_the_rest_is_drawn() -> None:
    broken = delivery(scene=SceneFacts(footprint={"type": "Polygon", "coordinates": "x"}))
    sound = delivery(scene_id="s2", scene=SCENE)
    found = collection([order(), order(deliveries=[broken, sound], document={"target": 7})])
    assert found["type"] == "FeatureCollection"
    assert [one["properties"]["scene_id"] for one in found["features"]] == ["s2"]  # type: ignore[attr-defined]
