"""Looking at orders, with the provider on real sockets and the clock in our hands."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.service.service_kit import (
    DAY,
    HOUR,
    MINUTE,
    PACE,
    House,
    connected,
    house,
    only,
    patterns,
    told,
    watching,
)

from orderwatch.core.model import DeliveryState, OrderPhase, OrderState
from orderwatch.core.orders.completeness import is_complete
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.journal import Entry
from orderwatch.simulator.scenario import CONTRACT

ALWAYS = {"times": 0}


def running(task_id: int, **more: object) -> Mapping[str, object]:
    return {"task_id": task_id, "status": [[0, "in_progress"]], **more}


def scenario(*orders: Mapping[str, object], faults: tuple[Fault, ...] = (), **more: object) -> Scenario:
    return Scenario.model_validate({"orders": orders, "faults": faults, **more})


def fault(**facts: object) -> Fault:
    return Fault.model_validate(facts)


async def known(h: House) -> dict[int | None, str]:
    return {
        order.task_id: "lost" if order.state is OrderState.LOST else order.status.word
        for order in await h.store.orders.list_all()
    }


LIST = "/tasking/tasks/"


def asked(h: House) -> list[Entry]:
    return h.simulator.journal.find(listener="api", method="GET")


def heard(events: LogCapture, *names: str) -> list[str]:
    return [event["event"] for event in events.entries if event["event"] in names]


# Which orders


async def test_patterns_find_orders_over_all_pages_and_leave_the_others(tmp_path: Path) -> None:
    orders = [running(n, project_name="Harbour East" if n % 2 else "Mines") for n in range(1, 31)]
    async with house(tmp_path, scenario(*orders, page_size=7, page_max=7)) as h:
        done = await h.poller(patterns(project_name="Harbour *")).sweep()
        assert done.looked == 15
        assert (await known(h)).keys() == set(range(1, 31, 2))


async def test_both_names_of_a_pattern_must_fit(tmp_path: Path) -> None:
    orders = [
        running(1, task_name="Pier 7"),
        running(2, task_name="Pier 8"),
        running(3, project_name="Other"),
    ]
    async with house(tmp_path, scenario(*orders)) as h:
        await h.poller(patterns(project_name="Sim*", task_name="* 7")).sweep()
        assert (await known(h)).keys() == {1}


async def test_an_explicit_order_alone_is_read_without_a_list(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1), running(2), running(3))) as h:
        done = await h.poller(only(2)).sweep()
        assert done.looked == 1
        assert (await known(h)).keys() == {2}
        assert not h.simulator.journal.count(path=LIST)


async def test_explicit_orders_on_one_page_cost_the_page(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(*(running(n) for n in range(1, 31)))) as h:
        done = await h.poller(only(*range(1, 21))).sweep()
        assert done.looked == 20
        assert (await known(h)).keys() == set(range(1, 21))
        assert h.simulator.journal.count(path=LIST) == 1
        assert not [e for e in asked(h) if e.path.removeprefix(LIST).isdigit()]


async def test_a_long_list_is_left_as_soon_as_asking_one_by_one_is_cheaper(tmp_path: Path) -> None:
    orders = [running(n) for n in range(1, 201)]
    async with house(tmp_path, scenario(*orders, page_size=10, page_max=10)) as h:
        poller = h.poller(only(3, 190, 195))
        await poller.sweep()
        assert (await known(h)).keys() == {3, 190, 195}
        assert h.simulator.journal.count(path=LIST) == 1
        assert h.simulator.journal.count(path=f"{LIST}190") == 1
        h.time.move(DAY)
        await poller.sweep()
        assert h.simulator.journal.count(path=LIST) == 1


async def test_nothing_watched_asks_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1))) as h:
        done = await h.poller(watching()).sweep()
        assert done.looked == 0
        assert len(h.simulator.journal) == 0


async def test_a_new_order_is_found_by_the_next_list(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1), running(2, status=[[400, "received"]]))) as h:
        poller = h.poller()
        await poller.sweep()
        assert (await known(h)).keys() == {1}
        h.time.move(10 * MINUTE)
        await poller.sweep()
        assert (await known(h)).keys() == {1, 2}


async def test_between_two_lists_nothing_is_asked_that_is_not_due(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1), running(2))) as h:
        poller = h.poller()
        await poller.sweep()
        before = len(h.simulator.journal)
        h.time.move(MINUTE)
        assert (await poller.sweep()).looked == 0
        assert len(h.simulator.journal) == before


async def test_a_moved_word_brings_a_look_before_it_is_due(tmp_path: Path) -> None:
    """The window opens in a week; the list says that the order was rejected."""
    order = running(1, start=7 * 86400, status=[[0, "received"], [100, "rejected"]])
    async with house(tmp_path, scenario(order)) as h:
        poller = h.poller()
        await poller.sweep()
        assert (await h.the_order()).next_look_at is not None
        h.time.move(10 * MINUTE)
        done = await poller.sweep()
        assert done.looked == 1
        assert (await h.the_order()).status.phase is OrderPhase.REJECTED


async def test_an_order_no_longer_watched_is_not_looked_at(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1), running(2))) as h:
        await h.poller(only(1, 2)).sweep()
        h.time.move(DAY)
        assert (await h.poller(only(2)).sweep()).looked == 1


# What a look brings


async def test_a_look_wants_every_zip_of_every_published_capture_once(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(1, {}, {}), told(2, {})))) as h:
        ticket = h.todo.subscribe()
        await h.poller().sweep()
        assert ticket.is_set()
        assert len(await h.store.deliveries.in_states(DeliveryState.WANTED)) == 3
        h.time.move(DAY)
        await h.poller().sweep(everything=True)
        assert len(await h.deliveries()) == 3


async def test_every_word_on_the_way_is_in_the_history_and_skips_are_named(tmp_path: Path) -> None:
    capture = {"status": [[0, "planned"], [600, "captured"], [1200, "published"]], "scenes": [{}]}
    order = running(
        1, status=[[0, "received"], [600, "in_progress"], [1200, "completed"]], captures=[capture]
    )
    async with house(tmp_path, scenario(order)) as h:
        poller = h.poller()
        for _ in range(3):
            await poller.sweep()
            h.time.move(10 * MINUTE)
        moves = [(m.subject, m.before, m.after, m.kind) for m in await h.store.history.of_order("1")]
        assert moves == [
            ("order", None, "received", "first"),
            ("capture", None, "planned", "first"),
            ("order", "received", "in_progress", "step"),
            ("capture", "planned", "captured", "step"),
            ("order", "in_progress", "completed", "step"),
            ("capture", "captured", "published", "skip"),
            ("delivery", None, "wanted", "first"),
        ]


async def test_a_word_nobody_knows_is_kept_and_said_once(tmp_path: Path, events: LogCapture) -> None:
    capture = {"status": [[0, "daydreaming"]]}
    async with house(tmp_path, scenario(running(1, status=[[0, "pondering"]], captures=[capture]))) as h:
        poller = h.poller()
        await poller.sweep()
        h.time.move(HOUR)
        await poller.sweep()
        order = await h.the_order()
        assert (order.status.word, order.status.phase, order.state) == (
            "pondering",
            None,
            OrderState.OPEN,
        )
        assert order.captures[0].status.word == "daydreaming"
        assert heard(events, "status.unknown") == ["status.unknown"] * 2


async def test_a_scene_that_comes_late_is_found_on_the_ladder_of_grace(tmp_path: Path) -> None:
    late = {"scene_id": "late", "size": 5000, "appears": (3 * DAY).total_seconds()}
    async with house(tmp_path, Scenario(orders=(told(1, {"scene_id": "early"}, late),))) as h:
        poller = h.poller()
        found: dict[str, timedelta] = {}
        while h.time.now() < h.time.epoch + 10 * DAY:
            await poller.sweep()
            await h.fetch_all()
            for delivery in await h.deliveries():
                found.setdefault(delivery.scene_id, h.time.now() - h.time.epoch)
            h.time.move(12 * HOUR)
        assert found.keys() == {"early", "late"}
        assert 3 * DAY <= found["late"] <= 7 * DAY
        await h.assert_all_stored()


async def test_a_zip_that_comes_after_its_scene_is_found_at_the_usual_interval(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(1, {"zip_appears": 3600}),))) as h:
        poller = h.poller()
        await poller.sweep()
        assert not await h.deliveries()
        while not await h.deliveries():
            h.time.move(PACE.interval)
            await poller.sweep()
        assert h.time.now() <= h.time.epoch + 2 * HOUR


async def test_a_republished_scene_is_found_and_becomes_a_new_version(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(1, {"republished": [7200]}),))) as h:
        poller = h.poller()
        for _ in range(8):
            await poller.sweep()
            await h.fetch_all()
            h.time.move(3 * HOUR)
        assert [d.version for d in await h.deliveries()] == [1, 2]
        await h.assert_all_stored()


async def test_a_finished_order_is_done_after_its_grace_and_asked_no_more(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, Scenario(orders=(told(1),))) as h:
        poller = h.poller(only(1))
        while h.time.now() < h.time.epoch + 15 * DAY:
            await poller.sweep()
            await h.fetch_all()
            h.time.move(12 * HOUR)
        order = await h.the_order()
        assert (order.state, order.next_look_at) == (OrderState.DONE, None)
        assert heard(events, "order.done") == ["order.done"]
        before = len(h.simulator.journal)
        h.time.move(30 * DAY)
        await poller.sweep()
        assert len(h.simulator.journal) == before


# Lost and found


async def test_an_order_that_answers_404_is_lost_and_comes_back(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1, lost=3600))) as h:
        poller = h.poller(only(1))
        await poller.sweep()
        h.time.move(2 * HOUR)
        assert not (await poller.sweep()).problems
        assert (await h.the_order()).state is OrderState.LOST
        assert await known(h) == {1: "lost"}
        h.time.move(DAY)
        await poller.sweep()
        h.simulator.restart_clock()
        h.time.move(HOUR / 2)
        await poller.sweep(everything=True)
        assert (await h.the_order()).state is OrderState.OPEN
        assert [(m.before, m.after, m.kind) for m in await h.store.history.of_order("1")] == [
            (None, "in_progress", "first"),
            ("in_progress", "lost", "odd"),
            ("lost", "in_progress", "odd"),
        ]


async def test_an_order_that_never_was_is_recorded_as_lost_and_others_go_on(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1))) as h:
        await h.poller(only(1, 999)).sweep()
        assert await known(h) == {1: "in_progress", 999: "lost"}


async def test_a_lost_order_keeps_its_files_and_its_deliveries(tmp_path: Path) -> None:
    async with house(tmp_path, Scenario(orders=(told(1, {}, lost=3600),))) as h:
        poller = h.poller(only(1))
        await poller.sweep()
        await h.fetch_all()
        h.time.move(2 * HOUR)
        await poller.sweep(everything=True)
        assert (await h.the_order()).state is OrderState.LOST
        assert (await h.the_delivery()).state is DeliveryState.STORED
        await h.assert_sound()


# Trouble with one order


@pytest.mark.parametrize(
    "trouble",
    [
        fault(on="captures", kind="malformed", match={"task_id": 2}, **ALWAYS),
        fault(on="captures", kind="html", match={"task_id": 2}, **ALWAYS),
        fault(on="captures", kind="status", code=404, match={"task_id": 2}, **ALWAYS),
        fault(on="captures", kind="page_loop", match={"task_id": 2}, **ALWAYS),
        fault(on="scenes", kind="malformed", match={"task_id": 2}, **ALWAYS),
    ],
    ids=lambda trouble: f"{trouble.on} {trouble.kind}",
)
async def test_one_bad_order_does_not_stop_the_others(
    tmp_path: Path, trouble: Fault, events: LogCapture
) -> None:
    orders = tuple(told(n, {"size": 5000 + n}) for n in range(1, 7))
    async with house(tmp_path, Scenario(orders=orders, faults=(trouble,))) as h:
        done = await h.poller(only(*range(1, 7))).sweep()
        assert done.looked == 5
        assert len(done.problems) == 1
        assert "order 2" in done.problems[0]
        assert not done.refused
        # A list that goes round in circles has shown its captures all the same.
        brought = {1, 2, 3, 4, 5, 6} if trouble.kind == "page_loop" else {1, 3, 4, 5, 6}
        assert {d.task_id for d in await h.deliveries()} == brought
        assert heard(events, "order.look_failed", "account.unavailable") == ["order.look_failed"]


async def test_a_bad_order_is_left_alone_for_an_interval_and_then_looked_at_again(tmp_path: Path) -> None:
    trouble = fault(on="captures", kind="status", code=400, times=1)
    async with house(tmp_path, Scenario(orders=(told(1),), faults=(trouble,))) as h:
        poller = h.poller(only(1))
        await poller.sweep()
        before = len(h.simulator.journal)
        h.time.move(MINUTE)
        await poller.sweep()
        assert len(h.simulator.journal) == before
        h.time.move(PACE.interval)
        assert (await poller.sweep()).looked == 1
        assert len(await h.deliveries()) == 1


async def test_what_was_seen_before_a_bad_capture_is_recorded(tmp_path: Path) -> None:
    captures = [
        {"capture_id": f"c{n}", "status": [[0, "published"]], "scenes": [{"size": 5000 + n}]}
        for n in range(3)
    ]
    trouble = fault(on="scenes", kind="malformed", match={"capture_id": "c0"}, **ALWAYS)
    order = running(1, captures=captures)
    async with house(tmp_path, scenario(order, faults=(trouble,))) as h:
        done = await h.poller(only(1)).sweep()
        assert done.problems
        assert {d.capture_id for d in await h.deliveries()} == {"c1", "c2"}
        assert len((await h.the_order()).captures) == 3


async def test_an_order_whose_captures_cannot_be_listed_is_recorded_with_those_that_were_read(
    tmp_path: Path,
) -> None:
    captures = [
        {"capture_id": f"c{n}", "status": [[0, "published"]], "scenes": [{"size": 5000 + n}]}
        for n in range(3)
    ]
    trouble = fault(on="captures", kind="malformed", after=1, **ALWAYS)
    order = running(1, captures=captures)
    async with house(tmp_path, scenario(order, faults=(trouble,), page_size=2, page_max=2)) as h:
        done = await h.poller(only(1)).sweep()
        assert done.problems
        assert {d.capture_id for d in await h.deliveries()} == {"c0", "c1"}


async def test_an_outage_that_begins_after_the_list_is_the_accounts_trouble_alone(
    tmp_path: Path, events: LogCapture
) -> None:
    down = {"kind": "status", "code": 503, **ALWAYS}
    troubles = (fault(on="tasks", after=1, **down), fault(on="captures", **down))
    async with house(tmp_path, Scenario(orders=(told(1),), faults=troubles)) as h:
        done = await h.poller().sweep()
        assert done.listed == 1
        assert heard(events, "order.look_failed", "account.unavailable") == ["account.unavailable"]


async def test_trouble_with_one_order_is_said_once_when_it_begins_and_once_when_it_ends(
    tmp_path: Path, events: LogCapture
) -> None:
    trouble = fault(on="captures", kind="status", code=400, times=3)
    async with house(tmp_path, Scenario(orders=(told(1),), faults=(trouble,))) as h:
        poller = h.poller(only(1))
        for _ in range(5):
            await poller.sweep()
            h.time.move(2 * PACE.interval)
        said = heard(events, "order.look_failed", "order.look_restored")
        assert said == ["order.look_failed", "order.look_restored"]


async def test_a_scene_whose_zip_is_not_offered_yet_keeps_its_capture_awaited(tmp_path: Path) -> None:
    """Its sibling is stored; the order must not pass for complete."""
    order = told(1, {"size": 5000}, {"size": 6000, "zip_appears": 10 * DAY.total_seconds()})
    async with house(tmp_path, Scenario(orders=(order,))) as h:
        poller = h.poller(only(1))
        await poller.sweep()
        await h.fetch()
        h.time.move(9 * DAY)
        await poller.sweep()
        known = await h.the_order()
        assert known.captures[0].lacking
        assert not is_complete(known)
        h.time.move(2 * DAY)
        await poller.sweep()
        assert len(await h.deliveries()) == 2


async def test_a_finite_round_asks_the_scenes_of_complete_captures_again(tmp_path: Path) -> None:
    order = told(1, {"size": 5000, "republished": [2 * DAY.total_seconds() + 60]})
    async with house(tmp_path, Scenario(orders=(order,))) as h:
        poller = h.poller(only(1))
        await poller.sweep()
        await h.fetch()
        h.time.move(2 * DAY)
        await poller.sweep(everything=True)
        h.time.move(2 * MINUTE)
        await poller.sweep(everything=True)
        assert [d.version for d in await h.deliveries()] == [1, 2]


@pytest.mark.parametrize("code", [500, 403])
async def test_an_order_that_is_always_refused_or_unanswered_does_not_starve_the_others(
    tmp_path: Path, code: int, events: LogCapture
) -> None:
    """It is the first that is due, and alone looks like an outage of the account."""
    trouble = fault(on="captures", kind="status", code=code, match={"task_id": 1}, **ALWAYS)
    orders = tuple(told(n, {"size": 5000 + n}) for n in range(1, 9))
    async with house(tmp_path, Scenario(orders=orders, faults=(trouble,))) as h:
        poller = h.poller(only(*range(1, 9)))
        for _ in range(4):
            await poller.sweep()
            h.time.move(20 * MINUTE)
        assert {d.task_id for d in await h.deliveries()} == set(range(2, 9))
        begun = heard(events, "account.unavailable", "account.refused")
        assert len(begun) == heard(events, "account.recovered").count("account.recovered") <= 2


async def test_a_page_that_fails_keeps_what_was_read_and_the_next_list_brings_the_rest(
    tmp_path: Path, events: LogCapture
) -> None:
    orders = [running(n) for n in range(1, 11)]
    trouble = fault(on="tasks", kind="malformed", after=2)
    async with house(tmp_path, scenario(*orders, faults=(trouble,), page_size=4, page_max=4)) as h:
        poller = h.poller()
        done = await poller.sweep()
        assert done.problems
        assert len(await known(h)) == 8
        assert heard(events, "list.failed") == ["list.failed"]
        h.time.move(10 * MINUTE)
        assert not (await poller.sweep()).problems
        assert len(await known(h)) == 10


# Trouble with the account


async def test_an_outage_is_said_once_when_it_begins_and_once_when_it_ends(
    tmp_path: Path, events: LogCapture
) -> None:
    down = fault(on="tasks", kind="status", code=503, after=1, times=12)
    async with house(tmp_path, scenario(running(1), running(2), faults=(down,))) as h:
        poller = h.poller()
        await poller.sweep()
        for _ in range(12):
            h.time.move(10 * MINUTE)
            await poller.sweep()
        assert heard(events, "account.unavailable", "account.recovered", "account.refused") == [
            "account.unavailable",
            "account.recovered",
        ]
        assert len(await known(h)) == 2


async def test_a_silent_account_is_asked_ever_more_seldom(tmp_path: Path) -> None:
    down = fault(on="tasks", kind="status", code=503, **ALWAYS)
    async with house(tmp_path, scenario(running(1), faults=(down,))) as h:
        poller = h.poller()
        for _ in range(120):
            await poller.sweep()
            h.time.move(timedelta(seconds=30))
        assert h.simulator.journal.count(path="/tasking/tasks/") <= 30 * 3


async def test_a_finite_round_asks_even_during_an_outage(tmp_path: Path) -> None:
    down = fault(on="tasks", kind="status", code=503, times=3)
    async with house(tmp_path, scenario(running(1), faults=(down,))) as h:
        poller = h.poller()
        assert (await poller.sweep(everything=True)).problems
        assert (await poller.sweep(everything=True)).looked == 1


@pytest.fixture
async def refused_house(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, scenario(running(1), running(2))) as h:
        yield h


@pytest.mark.parametrize(
    "wrong",
    [("wrong", CONTRACT), ("sim-secret", "cont.unknown")],
    ids=["secret", "contract"],
)
async def test_a_refused_account_is_said_once_and_then_left_alone(
    refused_house: House, wrong: tuple[str, str], events: LogCapture
) -> None:
    secret, contract_id = wrong
    async with connected(refused_house.simulator, secret=secret, contract_id=contract_id) as connection:
        poller = refused_house.poller(connection=connection)
        done = await poller.sweep()
        assert done.refused
        assert len(done.problems) == 1
        assert "wrong" not in done.problems[0]
        asked = len(refused_house.simulator.journal)
        assert (await poller.sweep()).problems == []
        assert len(refused_house.simulator.journal) == asked
        for _ in range(20):
            refused_house.time.move(15 * MINUTE)
            await poller.sweep()
        assert heard(events, "account.unavailable", "account.refused") == ["account.refused"]
        assert not await known(refused_house)


async def test_one_refused_account_does_not_touch_another(refused_house: House) -> None:
    async with connected(refused_house.simulator, secret="wrong") as connection:
        await refused_house.poller(connection=connection).sweep()
        assert (await refused_house.poller().sweep()).looked == 2


async def test_a_poller_looks_again_each_time_the_bell_rings(tmp_path: Path) -> None:
    async with house(tmp_path, scenario(running(1), running(2, status=[[400, "received"]]))) as h:
        tick = Wakeup()
        task = asyncio.create_task(h.poller().run(tick))
        while not any(order.looked_at for order in await h.store.orders.list_all()):
            await asyncio.sleep(0.01)
        h.time.move(HOUR)
        while len(await known(h)) < 2:
            tick.trigger()
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_look_and_a_download_of_the_same_order_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Both write the order's row; whoever is late decides anew."""
    scenes = [{"size": 5000 + n} for n in range(5)]
    async with house(tmp_path, Scenario(orders=(told(1, *scenes),))) as h:
        await h.look()

        async def keep_looking() -> None:
            for _ in range(5):
                await h.look()

        await asyncio.gather(keep_looking(), keep_looking(), h.fetch_all(), h.fetch_all())
        await h.assert_all_stored()
        assert len(await h.deliveries()) == 5
