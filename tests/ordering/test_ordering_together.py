"""Several at once, in processes and in one, a daemon beside them: one order, and nobody is told a lie."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.ordering.counter_kit import Counter, open_counter
from tests.ordering.ordering_kit import ACT
from tests.patience import PATIENCE

from orderwatch.app.commands import place_orders
from orderwatch.app.commands.place_orders import PlaceRequest, PlaceResult
from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.core.ordering.intent import IntentState
from orderwatch.core.ordering.order_file import read_orders
from orderwatch.core.ordering.request import Request
from orderwatch.ops.log import Redactor
from orderwatch.simulator.faults import Fault

SEVERAL = 4
STANDING = "enabled = true\n[[order]]\naccount = 'main'\n"


def _request(file: Path) -> Request:
    [draft], problems = read_orders(file.read_bytes(), file.name)
    assert not problems
    return draft.request


@pytest.mark.parametrize("fresh", [False, True], ids=["known", "first ever"])
async def test_of_several_processes_one_places_it(tmp_path: Path, forks: Path, *, fresh: bool) -> None:
    async with open_counter(tmp_path, forks, fresh=fresh) as counter:
        file = counter.new_file()
        ends = await asyncio.gather(*(counter.place(file) for _ in range(SEVERAL)))
        assert [end.code for end in ends] == [0] * SEVERAL, ends
        told = sorted("was already placed" in end.out for end in ends)
        assert told == [False] + [True] * (SEVERAL - 1)
        assert counter.posts == 1
        await counter.must_be_placed_once(file)


async def test_of_several_processes_that_find_out_one_sends_it_again(tmp_path: Path, forks: Path) -> None:
    async with open_counter(tmp_path, forks) as counter:
        file = counter.new_file()
        counter.misbehave(Fault(on="place", kind="reset"))
        assert (await counter.place(file)).code == 1
        ends = await asyncio.gather(*(counter.place(file, "--resume") for _ in range(SEVERAL)))
        assert [end.code for end in ends] == [0] * SEVERAL, ends
        assert counter.posts == 2
        await counter.must_be_placed_once(file)


async def test_of_several_tasks_one_places_it(tmp_path: Path, forks: Path) -> None:
    async with open_counter(tmp_path, forks) as counter:
        file = counter.new_file()
        plan = resolve(load(counter.rig.config))
        asked = [PlaceRequest("main", _request(file), ACT)]
        tries: list[PlaceResult] = []
        await asyncio.gather(
            *(
                place_orders.place(plan, Redactor(), asked, tries.append, resume=False, again=False)
                for _ in range(SEVERAL)
            )
        )
        outcomes = [one.outcome for one in tries if one.outcome is not None]
        assert [outcome.intent.state for outcome in outcomes] == [IntentState.PLACED] * SEVERAL
        assert sum(outcome.fresh for outcome in outcomes) == 1
        assert counter.posts == 1


async def test_a_round_beside_the_command_places_no_second_one(tmp_path: Path, forks: Path) -> None:
    async with open_counter(tmp_path, forks) as counter:
        file = _declared(counter)
        once, *ends = await asyncio.gather(
            counter.call("once"), *(counter.place(file) for _ in range(SEVERAL - 1))
        )
        assert [end.code for end in (once, *ends)] == [0] * SEVERAL, (once, ends)
        assert counter.posts == 1
        assert len(counter.held(file)) == 1
        [row] = await counter.intents(file)
        assert row.state is IntentState.PLACED


@pytest.mark.parametrize("late", [False, pytest.param(True, marks=pytest.mark.long)], ids=["lost", "taken"])
async def test_a_daemon_that_searches_and_a_command_that_resumes_place_no_second_one(
    tmp_path: Path, forks: Path, *, late: bool
) -> None:
    async with open_counter(tmp_path, forks) as counter:
        counter.misbehave(Fault(on="place", kind="reset", late=late))
        file = _declared(counter)
        daemon = await counter.rig.start("run")
        async with asyncio.timeout(PATIENCE):
            while not counter.posts:
                assert daemon.returncode is None, counter.rig.log.read_text(encoding="utf-8")
                await asyncio.sleep(0.05)
        counter.misbehave()
        ended = await counter.place(file, "--resume", "--json")
        assert ended.code == 0, ended
        [told] = json.loads(ended.out)["orders"]
        assert told["state"] == "placed"
        assert await counter.rig.terminated(daemon) == 0
        assert counter.held(file) == [told["task_id"]]
        assert counter.posts == 1 + (not late)


def _declared(counter: Counter) -> Path:
    """A file whose order stands in the configuration too."""
    file = counter.new_file()
    counter.configure(STANDING + file.read_text(encoding="utf-8"))
    return file
