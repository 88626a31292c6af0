"""What needs a person is the same list wherever one looks, and ends where a person has acknowledged it."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.app.app_rig import Rigged
from tests.app.faults_kit import at_work, notes, stage, story
from tests.databases import new_database
from tests.db.many import NEEDY, many

from orderwatch.app.attention import scope_of
from orderwatch.app.daemon.resources import open_resources
from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.core.attention.concern import Reason
from orderwatch.core.notifications.notification import Channel
from orderwatch.core.serializers import concern_to_dict
from orderwatch.ops.log import Redactor
from orderwatch.ports.queries import Search
from orderwatch.service.clock import utc_now
from orderwatch.service.notifications.attention import AttentionTracker
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Capture, Order, Scenario, Scene

REJECTED = Order(task_id=8, status=((0, "rejected"),))
ODD = Order(task_id=9, status=((0, "pondering"),))


def of(attention: Sequence[Mapping[str, object]]) -> list[tuple[object, object]]:
    return [(concern["reason"], concern["task_id"]) for concern in attention]


def three_orders() -> Scenario:
    return story().model_copy(update={"orders": (*story().orders, REJECTED, ODD)})


async def test_the_same_list_is_shown_by_page_api_metric_note_and_command(
    tmp_path: Path, forks: Path
) -> None:
    async with stage(tmp_path, three_orders(), forks) as scene, at_work(scene):
        await scene.shows(lambda metrics: metrics.get("orderwatch_attention{order_failed}") == 1)
        metrics = await scene.metrics()
        assert {str(reason): metrics[f"orderwatch_attention{{{reason}}}"] for reason in Reason} == {
            **dict.fromkeys(map(str, Reason), 0.0),
            "order_failed": 1.0,
            "unknown_status": 1.0,
        }
        wanted = [("order_failed", 8), ("unknown_status", 9)]
        _, told = await scene.page("/api/attention")
        assert of(told["attention"]) == wanted
        await scene.told(scene.first, "attention.raised", "attention.raised")
        raised = [note for note in notes(scene.first) if note["event"] == "attention.raised"]
        assert of(raised) == wanted
        status = json.loads((await scene.rig.call("status", "--json")).out)
        assert status["attention"] == told["attention"]
        assert [order["task_id"] for order in status["orders"]] == [8, 9, 7]
        async with scene.web.get("/?attention=yes", headers={"Accept": "text/html"}) as answer:
            board = await answer.text()
        assert "2 things need you" in board
        assert "2 orders" in board
        assert "All is well" not in board


async def test_an_acknowledged_order_leaves_the_list_and_its_history_says_who_and_why(
    tmp_path: Path, forks: Path
) -> None:
    async with stage(tmp_path, three_orders(), forks) as scene, at_work(scene):
        await scene.told(scene.first, "attention.raised", "attention.raised")
        done = await scene.rig.call("acknowledge", "--order", "8", "--note", "asked them")
        assert (done.code, done.out.startswith("acknowledged: order failed: ")) == (0, True)
        await scene.shows(lambda metrics: metrics["orderwatch_attention{order_failed}"] == 0)
        assert of((await scene.page("/api/attention"))[1]["attention"]) == [("unknown_status", 9)]
        history = json.loads((await scene.rig.call("history", "8", "--json")).out)["transitions"]
        assert "order failed acknowledged by " in history[-1]["detail"]
        assert history[-1]["detail"].endswith("note: asked them")
        again = await scene.rig.call("acknowledge", "--order", "8")
        assert (again.code, "order 8 does not need attention" in again.err) == (1, True)
        assert (await scene.rig.call("acknowledge", "--all")).code == 0
        await scene.shows(lambda metrics: metrics["orderwatch_attention{unknown_status}"] == 0)
        assert all(note["event"] != "attention.cleared" for note in notes(scene.first))


async def test_a_tree_that_is_too_full_is_shown_with_the_reason_that_readiness_gives(tmp_path: Path) -> None:
    async with stage(tmp_path, story()) as scene:
        text = scene.rig.config.read_text(encoding="utf-8")
        scene.rig.config.write_text(
            text.replace('keep_free = "0"', 'keep_free = "9000 TB"'), encoding="utf-8"
        )
        async with at_work(scene):
            await scene.shows(lambda metrics: metrics.get(f"orderwatch_tree_full{{{scene.rig.tree}}}") == 1)
            _, ready = await scene.page("/readyz")
            (tree,) = (await scene.daemon.resources.dashboard.overview()).trees
            assert f"{tree.root}: {tree.shortage}" in ready["reasons"]
            assert not tree.is_fine


async def test_of_three_hundred_orders_the_same_seven_are_found_everywhere(rigged: Rigged) -> None:
    rig = await rigged(Scenario(orders=()))
    rig.configure('task_name = "*"')
    plan = resolve(load(rig.config, {}, resolve=True))
    new_database(rig.database.parent)
    async with open_resources(plan, Redactor()) as house:
        house.store.outbox.subscribe([Channel(name="c", events=("attention.*",))])
        await many(house.store, datetime.now(UTC))
        tracker = AttentionTracker(house.store.attention, scope=partial(scope_of, plan), now=utc_now)
        await tracker.update()
        house.monitoring.live.attention = lambda: tracker.current
        shown = [concern_to_dict(concern) for concern in await house.dashboard.attention()]
        found = await house.dashboard.reader.search.find(Search(attention=True))
        scraped = (await house.monitoring.metrics.scrape())[0].decode()
        sent = [dict(letter.document) for letter in await house.store.outbox.batch("c", 99)]
        status = json.loads((await rig.call("status", "--attention", "--json")).out)
    wanted = sorted((reason, number) for number, reason in NEEDY.items())
    assert sorted(of(status["attention"])) == sorted(of(shown)) == sorted(of(sent)) == wanted
    assert {order["task_id"] for order in status["orders"]} == NEEDY.keys()
    assert {order.task_id for order in found.orders} == NEEDY.keys()
    counted = re.findall(r'^orderwatch_attention{reason="(\w+)"} (\d+)', scraped, re.MULTILINE)
    assert {reason: int(n) for reason, n in counted if n != "0"} == Counter(NEEDY.values())


async def test_once_gives_up_and_says_so_and_a_retry_that_succeeds_clears_it(rigged: Rigged) -> None:
    capture = Capture(status=((0, "published"),), scenes=(Scene(size="200 kB"),))
    order = Order(task_id=7, status=((0, "in_progress"),), captures=(capture,))
    fault = Fault(on="download", kind="status", code=500, times=1)
    rig = await rigged(Scenario(orders=(order,), faults=(fault,)))
    rig.configure('task_name = "*"', delivery="max_attempts = 1")
    assert (await rig.call("once")).code == 1
    checked = await rig.call("status", "--attention", "--check", "--json")
    (concern,) = json.loads(checked.out)["attention"]
    assert (checked.code, concern["reason"], concern["order_id"]) == (1, "given_up", "7")
    assert (await rig.call("retry", "--task", "7")).code == 0
    assert (await rig.call("once")).code == 0
    assert json.loads((await rig.call("status", "--json")).out)["attention"] == []
