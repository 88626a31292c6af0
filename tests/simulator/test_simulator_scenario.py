from pathlib import Path

import pytest

from orderwatch.errors import ConfigError
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
    ("text", "problem"),
    [
        ("colour = 1", "colour: unknown key"),
        ("speed = 0", "speed: must be greater than 0.0"),
        ("speed = 'fast'", "speed: must be a number"),
        ("orders = 5", "orders: must be a list"),
        ("[[orders]]\ntask_name = 'a'", "orders[0].task_id: missing"),
        ("[[orders]]\ntask_id = 1.5", "orders[0].task_id: must be a whole number"),
        (
            "[[orders]]\ntask_id = 1\nstatus = []",
            "orders[0].status: a status needs at least one [seconds, word], ordered by time",
        ),
        (
            '[[orders]]\ntask_id = 1\nstatus = [[5, "completed"], [1, "received"]]',
            "orders[0].status: a status needs at least one [seconds, word], ordered by time",
        ),
        (
            "[[orders]]\ntask_id = 1\n[[orders]]\ntask_id = 1",
            "task_id 1 is used twice; set each one explicitly",
        ),
        (
            '[[orders]]\ntask_id = 1\ncontract = "cont.nobody"',
            "orders with unknown contracts: cont.nobody",
        ),
        (
            '[[orders]]\ntask_id = 1\ntarget = { type = "Point", coordinates = ["east", 1] }',
            "orders[0].target: a target must be a GeoJSON Point, or a Polygon with a closed ring",
        ),
        (
            '[[orders]]\ntask_id = 1\n[[orders.captures]]\nscenes = [{ size = "20 parsecs" }]',
            "orders[0].captures[0].scenes[0].size: '20 parsecs' must be a size, e.g. 20 MB or 5 GiB",
        ),
        ('[[faults]]\non = "nowhere"\nkind = "status"', 'faults[0].on: must be one of: "token", "contracts"'),
        ('[[faults]]\non = "tasks"\nkind = "corrupt"', "faults[0]: a fault on tasks cannot be corrupt"),
        (
            '[[faults]]\non = "download"\nkind = "malformed"',
            "faults[0]: a fault on download cannot be malformed",
        ),
        ("speed =", "is not TOML: "),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused_with_what_is_wrong_where(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(path)
    (found,) = refused.value.problems
    assert found.startswith(problem)


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
