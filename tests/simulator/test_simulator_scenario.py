from pathlib import Path

import pytest
from pydantic import ValidationError

from orderwatch.simulator import Scenario, load
from orderwatch.simulator.faults import Fault, Faults, Match
from orderwatch.simulator.scenario import CONTRACT, Capture, Order, Scene


def test_plain_has_three_orders_six_captures_and_seven_small_scenes_within_three_seconds() -> None:
    scenario = load("plain")
    captures = [capture for order in scenario.orders for capture in order.captures]
    scenes = [scene for capture in captures for scene in capture.scenes]
    assert (len(scenario.orders), len(captures), len(scenes)) == (3, 6, 7)
    assert all(capture.published is not None and capture.published <= 3 for capture in captures)
    assert all(1_000_000 <= scene.size <= 5_000_000 for scene in scenes)
    assert not scenario.faults


def test_demo_shows_every_kind_of_order_and_is_published_within_22_seconds() -> None:
    scenario = load("demo")
    captures = [capture for order in scenario.orders for capture in order.captures]
    scenes = [scene for capture in captures for scene in capture.scenes]
    assert max(capture.published or 0 for capture in captures) == 22
    assert {order.target["type"] for order in scenario.orders} == {"Point", "Polygon"}
    assert [order.status[-1][1] for order in scenario.orders].count("rejected") == 1
    assert len(scenes) == 8
    assert all(2 <= scene.size / scenario.downloads.rate <= 5 for scene in scenes)


def test_ids_are_the_same_at_every_start_and_differ_within_a_scenario() -> None:
    def scenario() -> Scenario:
        captures = tuple(Capture(scenes=(Scene(), Scene())) for _ in range(3))
        return Scenario(orders=(Order(task_id=7, captures=captures), Order(task_id=8, captures=captures)))

    first, second = scenario(), scenario()
    assert first == second
    scenes = [s for order in first.orders for capture in order.captures for s in capture.scenes]
    assert len({scene.scene_id for scene in scenes}) == len({scene.file_name for scene in scenes}) == 12


def test_the_zip_is_not_always_the_first_attachment() -> None:
    order = Order(task_id=7, captures=(Capture(scenes=(Scene(), Scene())),))
    assert {scene.attachments[0] for scene in order.captures[0].scenes} == {"delivery_zip", "thumbnail"}


def test_an_order_belongs_to_the_first_contract_unless_it_says_otherwise() -> None:
    scenario = Scenario(orders=(Order(task_id=1),))
    assert scenario.contract_of(scenario.orders[0]) == CONTRACT


def test_sizes_are_written_like_people_write_them() -> None:
    assert [Scene(size=size).size for size in ("20 MB", "5 GiB", "1.5kB", 12)] == [
        20_000_000,
        5 * 1024**3,
        1500,
        12,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "colour = 1",
        "speed = 0",
        "[[orders]]\ntask_id = 1\nstatus = []",
        '[[orders]]\ntask_id = 1\nstatus = [[5, "completed"], [1, "received"]]',
        "[[orders]]\ntask_id = 1\n[[orders]]\ntask_id = 1",
        '[[orders]]\ntask_id = 1\ncontract = "cont.nobody"',
        '[[orders]]\ntask_id = 1\ntarget = { type = "Point", coordinates = ["east", 1] }',
        '[[orders]]\ntask_id = 1\n[[orders.captures]]\nscenes = [{ size = "20 parsecs" }]',
        '[[faults]]\non = "tasks"\nkind = "corrupt"',
        '[[faults]]\non = "download"\nkind = "malformed"',
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ValidationError):
        load(path)


def test_a_fault_hits_so_many_times_after_so_many_requests() -> None:
    faults = Faults([Fault(on="tasks", kind="status", times=2, after=1)])
    assert [faults.due("tasks", {}) is not None for _ in range(5)] == [False, True, True, False, False]


def test_a_fault_of_no_times_hits_always() -> None:
    faults = Faults([Fault(on="tasks", kind="status", times=0)])
    assert all(faults.due("tasks", {}) for _ in range(5))


def test_faults_of_the_same_request_take_their_turns() -> None:
    faults = Faults([Fault(on="task", kind="cut"), Fault(on="task", kind="html")])
    hits = [faults.due("task", {}) for _ in range(3)]
    assert [hit and hit.kind for hit in hits] == ["cut", "html", None]


def test_a_fault_spares_what_it_does_not_match() -> None:
    faults = Faults([Fault(on="download", kind="cut", match=Match(task_id=7, attachment="delivery_zip"))])
    assert faults.due("download", {"task_id": 8, "attachment": "delivery_zip"}) is None
    assert faults.due("download", {"task_id": 7, "attachment": "footprint"}) is None
    assert faults.due("scenes", {"task_id": 7, "attachment": "delivery_zip"}) is None
    assert faults.due("download", {"task_id": "7", "attachment": "delivery_zip"}) is not None


def test_faults_of_ranges_wait_for_a_request_for_a_range() -> None:
    faults = Faults([Fault(on="download", kind="wrong_range")])
    assert faults.due("download", {}) is None
    assert faults.due("download", {}, ranged=True) is not None
