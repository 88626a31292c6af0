"""Answers whose JSON is not the truth."""

import asyncio
import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from tests.patience import PATIENCE
from tests.simulator.simulator_kit import TASKS, Http, Start, get, headers, token
from yarl import URL

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.faults import Fault, Kind, On
from orderwatch.simulator.lies import LIES, PADDING_BYTES, Huge
from orderwatch.simulator.scenario import Capture, Order, Scene

CAPTURES = tuple(Capture(status=((0, "published"),), scenes=(Scene(size=5000),)) for _ in range(3))
ORDERS = (Order(task_id=7, captures=CAPTURES), Order(task_id=8), Order(task_id=9))
SCENES = f"/telluric/scenes/?sceneset_id={ORDERS[0].captures[0].capture_id}"
PATHS: dict[On, str] = {
    "products": "/tasking/products/",
    "tasks": TASKS,
    "task": "/tasking/tasks/7",
    "captures": "/tasking/tasks/7/captures/",
    "scenes": SCENES,
}
LISTS: tuple[On, ...] = ("products", "tasks", "captures", "scenes")
V2_LISTS: tuple[On, ...] = ("v2_orders", "v2_events", "v2_captures", "v2_deliverables")
LISTS_ONLY: tuple[Kind, ...] = ("page_loop", "foreign_next", "doubled", "vanished")


async def told(start: Start, http: Http, fault: Fault, path: str = "") -> tuple[Simulator, Any, Any]:
    """The simulator, the false answer, and the true one that follows it."""
    simulator = await start(Scenario(orders=ORDERS, faults=(fault,)))
    good = await headers(http, simulator)
    asked = path or PATHS[fault.on]
    false, true = [await get(http, simulator, asked, good) for _ in range(2)]
    assert (false[0], true[0]) == (200, 200)
    return simulator, false[1], true[1]


@pytest.mark.parametrize(("query", "offset"), [("?limit=2&status=received", 2), ("?limit=50&offset=1", 1)])
async def test_a_next_page_can_be_at_another_origin_whether_there_is_one_or_not(
    start: Start, http: Http, query: str, offset: int
) -> None:
    simulator, false, true = await told(start, http, Fault(on="tasks", kind="foreign_next"), TASKS + query)
    follows = URL(false["next"])
    assert str(follows.origin()) == simulator.download_url
    assert (follows.path, follows.query["offset"]) == (TASKS, str(offset))
    assert set(follows.query) == set(URL(f"http://host/{query}").query) | {"offset"}
    assert false["results"] == true["results"]


async def test_who_follows_a_foreign_next_with_credentials_is_noted(start: Start, http: Http) -> None:
    simulator, false, _ = await told(start, http, Fault(on="tasks", kind="foreign_next"))
    async with http.get(false["next"], headers={"authorizationToken": "Bearer x"}) as answer:
        assert answer.status == 404
    assert [entry.leaked for entry in simulator.journal.leaks] == [("authorizationToken",)]


@pytest.mark.parametrize("on", PATHS)
async def test_a_huge_answer_is_valid_and_well_above_16_mib(start: Start, http: Http, on: On) -> None:
    simulator = await start(Scenario(orders=ORDERS, faults=(Fault(on=on, kind="huge"),)))
    good = await headers(http, simulator)
    async with http.get(simulator.api_url + PATHS[on], headers=good) as answer:
        assert "Content-Length" not in answer.headers
        text = await answer.read()
    assert len(text) > PADDING_BYTES > 16 << 20
    true = (await get(http, simulator, PATHS[on], good))[1]
    assert set(json.loads(text)) == set(true)
    assert simulator.journal.find(path=URL(PATHS[on]).path)[0].sent == len(text)


async def test_a_huge_answer_does_not_hold_up_the_others(start: Start, http: Http) -> None:
    simulator = await start(Scenario(orders=ORDERS, faults=(Fault(on="tasks", kind="huge"),)))
    good = await headers(http, simulator)
    async with http.get(simulator.api_url + TASKS, headers=good) as huge:
        # Nobody reads it yet, so it is stuck half-way.
        assert (await asyncio.wait_for(get(http, simulator, PATHS["task"], good), PATIENCE))[0] == 200
        huge.close()


def test_any_part_of_a_huge_text_is_the_same_as_in_the_whole() -> None:
    huge = Huge(b'{"count":1}')
    whole = huge.read(0, huge.size)
    assert whole == b"{" + b" " * PADDING_BYTES + b'"count":1}'
    for offset in (
        0,
        1,
        2,
        PADDING_BYTES - 1,
        PADDING_BYTES + 1,
        PADDING_BYTES + 5,
        huge.size - 1,
        huge.size,
    ):
        for length in (0, 1, 3, 100):
            assert huge.read(offset, length) == whole[offset : offset + length]


@pytest.mark.parametrize(
    ("on", "kept"),
    [
        ("products", {"pk"}),
        ("tasks", {"task_id", "status"}),
        ("captures", {"capture_id", "status"}),
        ("scenes", {"scene_id"}),
    ],
)
async def test_bare_rows_have_an_id_a_status_and_otherwise_nulls_and_gaps(
    start: Start, http: Http, on: On, kept: set[str]
) -> None:
    _, false, true = await told(start, http, Fault(on=on, kind="bare"))
    assert false["count"] == len(false["results"]) == len(true["results"])
    for row, truth in zip(false["results"], true["results"], strict=True):
        assert {name: row[name] for name in kept} == {name: truth[name] for name in kept}
        nulls = {name for name, value in row.items() if value is None}
        assert set(row) == kept | nulls
        assert abs(len(truth) - len(row) - len(nulls)) <= 1


async def test_each_field_of_bare_rows_is_null_here_and_missing_there(start: Start, http: Http) -> None:
    _, false, true = await told(start, http, Fault(on="tasks", kind="bare"))
    first, second, _ = map(set, false["results"])
    assert (first & second, first | second) == ({"task_id", "status"}, set(true["results"][0]))


async def test_one_order_and_a_token_can_be_bare(start: Start, http: Http) -> None:
    faults = (Fault(on="task", kind="bare"), Fault(on="token", kind="bare", after=1))
    simulator = await start(Scenario(orders=ORDERS, faults=faults))
    good = await headers(http, simulator)
    _, task = await get(http, simulator, PATHS["task"], good)
    assert (task["task_id"], task["status"], task["task_name"]) == (7, "received", None)
    assert not any((await token(http, simulator)).values())


async def test_loose_orders_have_strings_for_ids_and_times_without_zone(start: Start, http: Http) -> None:
    _, false, true = await told(start, http, Fault(on="task", kind="loose"))
    assert false == true | {
        "task_id": "7",
        "product": "169",
        "start": "2026-07-14T07:40:41",
        "end": "2026-07-28T07:40:41",
        "created_time": "2026-07-14T07:40:41",
    }


async def test_looseness_reaches_every_row_and_what_is_in_it(start: Start, http: Http) -> None:
    _, false, true = await told(start, http, Fault(on="scenes", kind="loose"))
    assert (false["count"], false["results"][0]["metadata"]["task_id"]) == (1, "7")
    for name in ("timestamp", "last_modified"):
        assert f"{false['results'][0][name]}Z" == true["results"][0][name]


async def test_products_can_have_strings_for_keys(start: Start, http: Http) -> None:
    _, false, _ = await told(start, http, Fault(on="products", kind="loose"))
    assert false["results"][-1] == {"pk": "178", "name": "Area of interest", "is_area": True}


@pytest.mark.parametrize("on", LISTS)
async def test_each_row_can_come_twice(start: Start, http: Http, on: On) -> None:
    _, false, true = await told(start, http, Fault(on=on, kind="doubled"))
    key = {"products": "pk", "tasks": "task_id", "captures": "capture_id", "scenes": "scene_id"}[on]
    ids = [row[key] for row in true["results"]]
    assert [row[key] for row in false["results"]] == [each for each in ids for _ in range(2)]


@pytest.mark.parametrize("on", LISTS)
async def test_rows_can_vanish(start: Start, http: Http, on: On) -> None:
    _, false, true = await told(start, http, Fault(on=on, kind="vanished"))
    assert false == {"count": 0, "next": None, "previous": None, "results": []}
    assert true["count"] > 0


async def test_statuses_can_be_any_word(start: Start, http: Http) -> None:
    _, false, _ = await told(start, http, Fault(on="tasks", kind="words"))
    assert {task["status"] for task in false["results"]} == {"daydreaming"}
    _, capture, _ = await told(start, http, Fault(on="captures", kind="words", word="lost in thought"))
    assert capture["results"][0]["status"] == "lost in thought"
    _, task, true = await told(start, http, Fault(on="task", kind="words"))
    assert task == true | {"status": "daydreaming"}


async def test_a_bare_list_of_contracts_has_rows_but_no_pages(start: Start, http: Http) -> None:
    kinds: tuple[Kind, ...] = ("doubled", "vanished", "foreign_next", "page_loop", "bare")
    faults = tuple(Fault(on="contracts", kind=kind) for kind in kinds)
    simulator = await start(Scenario(faults=faults))
    good = await headers(http, simulator)
    del good["X-Satellogic-Contract-Id"]
    answers = [(await get(http, simulator, "/contracts", good))[1] for _ in (*kinds, "truth")]
    truth = answers.pop()
    assert answers[:4] == [truth * 2, [], truth, truth]
    assert answers[4] == [{"contract_id": truth[0]["contract_id"], "name": None}]


@pytest.mark.parametrize("kind", LIES)
async def test_no_lie_is_told_about_a_refusal(start: Start, http: Http, kind: Kind) -> None:
    simulator = await start(Scenario(faults=(Fault(on="tasks", kind=kind),)))
    assert await get(http, simulator, TASKS, {}) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize("kind", [*LIES, "huge", "malformed"])
def test_nobody_lies_about_a_download(kind: Kind) -> None:
    with pytest.raises(ValidationError, match="cannot be"):
        Fault(on="download", kind=kind)


@pytest.mark.parametrize("kind", LISTS_ONLY)
def test_what_is_for_lists_is_refused_elsewhere(kind: Kind) -> None:
    lists = {*LISTS, *V2_LISTS, "contracts"}
    for on in get_args(On):
        if on in lists:
            assert Fault(on=on, kind=kind).kind == kind
        else:
            with pytest.raises(ValidationError, match="cannot be"):
                Fault(on=on, kind=kind)


@pytest.mark.parametrize(
    ("on", "kind"),
    [
        ("token", "loose"),
        ("contracts", "loose"),
        ("token", "words"),
        ("products", "words"),
        ("scenes", "words"),
    ],
)
def test_a_fault_that_would_change_nothing_is_refused(on: On, kind: Kind) -> None:
    with pytest.raises(ValidationError, match="cannot be"):
        Fault(on=on, kind=kind)
