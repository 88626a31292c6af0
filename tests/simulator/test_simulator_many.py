"""Ten thousand orders in one account."""

import pytest
from tests.simulator.simulator_kit import TASKS, Http, Start, get, headers

from orderwatch.simulator import Scenario
from orderwatch.simulator.documents import Document
from orderwatch.simulator.scenario import Capture, Order, Scene
from orderwatch.simulator.world import World

MANY = 10_000
CAPTURES = (Capture(status=((0, "published"),), scenes=(Scene(size=5000),)),)


def scenario() -> Scenario:
    return Scenario(
        orders=tuple(
            Order(
                task_id=number,
                project_name=f"Project {number % 7}",
                status=((0, "received"), (0, "in_progress" if number % 2 else "completed")),
                captures=CAPTURES,
            )
            for number in range(1, MANY + 1)
        )
    )


async def test_only_the_rows_of_the_page_are_looked_into(
    start: Start, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = await start(scenario())
    good = await headers(http, simulator)
    shown, show = [], World.task

    def task(self: World, order: Order, at: float) -> Document:
        shown.append(order.task_id)
        return show(self, order, at)

    monkeypatch.setattr(World, "task", task)
    for query, count in {
        "": MANY,
        "&offset=5000": MANY,
        "&status=completed": MANY // 2,
        "&status=in_progress&project_name=Project 3": 715,
    }.items():
        shown.clear()
        _, page = await get(http, simulator, f"{TASKS}?limit=100{query}", good)
        assert (page["count"], len(page["results"]), len(shown)) == (count, 100, 100)


async def test_the_scenes_of_one_capture_are_found_without_looking_at_every_order(
    start: Start, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = await start(scenario())
    good = await headers(http, simulator)
    monkeypatch.delattr(World, "orders")
    capture_id = simulator.scenario.orders[5000].captures[0].capture_id
    _, page = await get(http, simulator, f"/telluric/scenes/?sceneset_id={capture_id}", good)
    assert [scene["metadata"]["task_id"] for scene in page["results"]] == [5001]
