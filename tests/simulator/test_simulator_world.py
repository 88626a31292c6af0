from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderwatch.simulator import Scenario
from orderwatch.simulator.placing import cancelled, complaints, placed
from orderwatch.simulator.scenario import Capture, Order, Scene
from orderwatch.simulator.world import World

EPOCH = datetime(2026, 7, 14, 7, 40, 41, 845086, tzinfo=UTC)
HOST = "http://127.0.0.1:8001"
CAPTURE = Capture(
    capture_id="45aab05b-7190-4369-abd4-b11b1f4a3165",
    status=((2, "planned"), (4, "captured"), (6, "published")),
    scenes=(Scene(scene_id="20210714_074044_SN15_L1", sceneset_id="dbaab05b", republished=(20.0,)),),
)
ORDER = Order(
    task_id=23272, start=-3600, end=3600, status=((1, "received"), (3, "in_progress")), captures=(CAPTURE,)
)
BODY: dict[str, Any] = {
    "task_name": "My first task",
    "project_name": "My first task project",
    "product": 90,
    "target": {"type": "Point", "coordinates": [72.905273, 19.023001]},
    "start": "2026-07-14T00:00:00+03:00",
    "end": "2026-08-14T00:00:00+03:00",
}


def world(order: Order = ORDER, *, speed: float = 1.0) -> World:
    return World(Scenario(orders=(order,), speed=speed), EPOCH, (HOST,))


def test_a_task_has_the_fields_of_the_providers_example() -> None:
    assert world().task(ORDER, 3) == {
        "task_id": 23272,
        "task_name": "Simulated task",
        "project_name": "Simulated project",
        "product": 169,
        "start": "2026-07-14T06:40:41Z",
        "end": "2026-07-14T08:40:41Z",
        "priority": 13,
        "client": "Simulated client",
        "target": {"type": "Point", "coordinates": [4.0333, 51.9555, 0.0]},
        "created_time": "2026-07-14T07:40:41.845086Z",
        "status": "in_progress",
    }


def test_an_order_is_there_from_its_first_status_until_it_is_lost() -> None:
    lost = world(ORDER.model_copy(update={"lost": 9.0}))
    assert [len(lost.orders(at)) for at in (0.9, 1, 8.9, 9)] == [0, 1, 1, 0]
    assert [lost.order(23272, at) is None for at in (0.9, 1, 8.9, 9)] == [True, False, False, True]


def test_captures_appear_as_they_get_planned() -> None:
    assert world().captures(ORDER, 1.9) == []
    (capture,) = world().captures(ORDER, 5)
    assert world().capture(capture, 5) == {
        "capture_id": "45aab05b-7190-4369-abd4-b11b1f4a3165",
        "start": "2026-07-14T07:40:45.845086Z",
        "satellite_name": "newsat15",
        "status": "captured",
    }


def test_a_scene_has_the_fields_of_the_providers_example() -> None:
    (place,) = world().places(6)
    scene = world().scene(place, 6, lambda scene_id, name: f"{scene_id}-{name}")
    assert list(scene) == [
        "scene_id", "sceneset_id", "timestamp", "footprint", "metadata", "supplier", "satellite_class",
        "satellite_name", "productname", "rasters", "bands", "attachments", "last_modified",
    ]  # fmt: skip
    assert scene["sceneset_id"] == "dbaab05b"
    assert scene["footprint"]["coordinates"][0][0] == scene["footprint"]["coordinates"][0][-1]
    assert scene["rasters"][0]["url"] == (
        f"{HOST}/v2/scenes/20210714_074044_SN15_L1/token/{{token}}/raster/20210714_074044_SN15_L3_MS.tif"
    )
    assert scene["attachments"][0] == {
        "scene": f"{HOST}/v2/scenes/20210714_074044_SN15_L1/",
        "url": f"{HOST}/v2/scenes/20210714_074044_SN15_L1/attachments/delivery_zip/download/"
        "?token=20210714_074044_SN15_L1-delivery_zip",
        "file_name": "20210714_074044_SN15_L1_MS_23272.zip",
        "name": "delivery_zip",
        "metadata": {},
        "edit_url": f"{HOST}/v2/scenes/20210714_074044_SN15_L1/attachments/delivery_zip/",
    }


def test_a_scene_appears_after_its_capture_is_published_and_its_zip_later() -> None:
    scene = Scene(appears=2, zip_appears=3)
    captures = (CAPTURE.model_copy(update={"scenes": (scene,)}),)
    later = world(Order(task_id=1, captures=captures))
    assert later.places(7.9) == []
    (place,) = later.places(8)
    assert "delivery_zip" not in later.attachments(place, 10.9)
    assert "delivery_zip" in later.attachments(place, 11)


def test_a_republication_moves_last_modified_and_the_bytes() -> None:
    (place,) = world().places(20)
    assert [world().revision(place, at) for at in (6, 19.9, 20)] == [1, 1, 2]
    assert [world().last_modified(place, at) - EPOCH for at in (19.9, 20)] == [
        timedelta(seconds=6),
        timedelta(seconds=20),
    ]
    before, after = (world().content(place, "delivery_zip", at) for at in (6, 20))
    assert before.sha256() != after.sha256()


def test_the_bytes_of_a_revision_do_not_depend_on_when_the_simulator_started() -> None:
    later = World(world().scenario, EPOCH + timedelta(days=3), (HOST,))
    (place,) = world().places(6)
    assert (
        world().content(place, "delivery_zip", 6).sha256() == later.content(place, "delivery_zip", 6).sha256()
    )


def test_the_strips_of_an_area_lie_side_by_side() -> None:
    ring = [[0, 0], [4, 0], [4, 1], [0, 1], [0, 0]]
    captures = tuple(Capture(status=((0, "published"),), scenes=(Scene(),)) for _ in range(4))
    area = world(Order(task_id=1, target={"type": "Polygon", "coordinates": [ring]}, captures=captures))
    footprints = [area.scene(place, 0, lambda *_: "t")["footprint"] for place in area.places(0)]
    assert [footprint["coordinates"][0][0] for footprint in footprints] == [[0, 0], [1, 0], [2, 0], [3, 0]]


def test_with_speed_the_shown_times_are_those_of_the_wall() -> None:
    assert world(speed=60).task(ORDER, 3)["end"] == "2026-07-14T07:41:41Z"


def test_a_placed_order_lives_a_default_life() -> None:
    after, order = placed(world(), BODY, "", 5)
    assert order.task_id == 23273
    assert after.task(order, 5) | BODY == after.task(order, 5) | BODY
    assert after.task(order, 5)["start"] == "2026-07-13T21:00:00Z"
    assert [after.task(order, at)["status"] for at in (5, 7, 17)] == ["received", "in_progress", "completed"]
    assert len(after.places(17, order)) == 1


def blamed(body: dict[str, Any]) -> set[str]:
    return set(complaints(body, Scenario(), EPOCH))


def test_complaints_name_the_fields() -> None:
    assert blamed(BODY) == set()
    assert blamed({}) == {"task_name", "project_name", "product", "target", "start", "end"}
    assert blamed(BODY | {"task_name": 7, "project_name": ["x"]}) == {"task_name", "project_name"}
    assert blamed(BODY | {"start": "2026-07-14T00:00:00"}) == {"start"}
    assert blamed(BODY | {"end": BODY["start"]}) == {"end"}
    assert blamed(BODY | {"product": 1, "start": "soon"}) == {"product", "start"}
    assert blamed(BODY | {"product": 178}) == {"target"}
    assert blamed(BODY | {"target": "here"}) == {"target"}


def test_a_window_that_is_over_is_refused() -> None:
    ends = datetime.fromisoformat(BODY["end"])
    assert complaints(BODY, Scenario(), ends - timedelta(seconds=1)) == {}
    assert complaints(BODY, Scenario(), ends) == {"end": ["The window is over."]}


@pytest.mark.parametrize(
    ("most", "good"),
    [(None, True), (1, True), (50, True), (0, False), (-1, False), (True, False), ("2", False)],
)
def test_the_most_captures_are_a_number_from_one_on(most: object, *, good: bool) -> None:
    assert blamed(BODY | {"max_captures": most}) == (set() if good else {"max_captures"})


def test_what_was_taken_is_published_after_a_cancellation_and_the_rest_is_not() -> None:
    waiting = Capture(status=((2, "planned"), (7, "captured")))
    unseen = Capture(status=((8, "planned"),))
    order = Order(task_id=1, captures=(CAPTURE, waiting, unseen))
    after, less = cancelled(world(order), order, 5)
    assert after.task(less, 9)["status"] == "canceled"
    shown = [after.capture(capture, 9)["status"] for capture in after.captures(less, 9)]
    assert shown == ["published", "canceled"]


def test_cancelling_what_is_over_changes_nothing() -> None:
    over = Order(task_id=1, status=((0, "completed"),))
    after, same = cancelled(world(over), over, 5)
    assert after.task(same, 9)["status"] == "completed"
