from typing import Any

import aiohttp
import pytest
from tests.simulator.simulator_kit import TASKING, TASKS, Http, Start, get, headers, token

from orderwatch.simulator import Scenario, Simulator, load
from orderwatch.simulator.faults import Fault, Kind, Match, On
from orderwatch.simulator.scenario import CONTRACT, Account, Capture, Contract, Order, Scene

OTHER = "cont.00000000-0000-0000-0000-000000000002"
ARCHIVE_ONLY = "cont.00000000-0000-0000-0000-000000000003"
PLATFORM = Account(
    contracts=(Contract(), Contract(contract_id=OTHER), Contract(contract_id=ARCHIVE_ONLY, tasking=False))
)
LEGACY = Account(name="old", client_id="old-client", kind="legacy")
PUBLISHED = Capture(status=((0, "planned"), (1, "published")), scenes=(Scene(size=5000), Scene(size=5000)))
ORDER = Order(task_id=7, task_name="Pier", project_name="Harbour", captures=(PUBLISHED,))
SCENARIO = Scenario(
    accounts=(PLATFORM, LEGACY), orders=(ORDER, Order(task_id=8, contract=OTHER)), token_life=100
)
READS = (
    "/tasking/products/",
    TASKS,
    "/tasking/tasks/7",
    "/tasking/tasks/7/captures/",
    "/telluric/scenes/",
)

NEW = {
    "task_name": "New",
    "project_name": "Harbour",
    "product": 169,
    "target": {"type": "Point", "coordinates": [4.0, 52.0]},
    "start": "2026-07-14T00:00:00Z",
    "end": "2026-08-14T00:00:00Z",
}


async def test_a_token_answer_has_exactly_the_documented_fields(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    tasking, accounts = await token(http, simulator), await token(http, simulator, "api")
    assert tasking.pop("access_token") != accounts.pop("access_token")
    assert tasking == {"scope": "api:tasking api:delivery", "expires_in": 100, "token_type": "Bearer"}
    assert accounts["scope"] == "accounts:principals:profile accounts:contracts:read"


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "access_denied"),
        ({"client_id": "nobody"}, 401, "access_denied"),
        ({"audience": "elsewhere"}, 403, "access_denied"),
        ({"client_id": "old-client", "audience": "api"}, 403, "access_denied"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
async def test_wrong_token_requests_are_refused(
    start: Start, http: Http, change: dict[str, str], status: int, error: str
) -> None:
    simulator = await start(SCENARIO)
    body = {"client_id": "sim-client", "client_secret": "sim-secret", "grant_type": "client_credentials"}
    async with http.post(simulator.token_url, json=body | {"audience": TASKING} | change) as answer:
        assert (answer.status, await answer.json()) == (status, {"error": error})


@pytest.mark.parametrize("body", [{"data": {"client_id": "x"}}, {"json": ["x"]}])
async def test_a_token_request_is_a_json_object(start: Start, http: Http, body: dict[str, Any]) -> None:
    simulator = await start(SCENARIO)
    async with http.post(simulator.token_url, **body) as answer:
        assert answer.status == 400


async def test_the_accounts_service_lists_contracts_with_times_without_zone(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    bearer = (await token(http, simulator, "api"))["access_token"]
    status, page = await get(http, simulator, "/v2/my/contracts", {"Authorization": f"Bearer {bearer}"})
    assert (status, page["count"]) == (200, 3)
    assert page["results"][0] == {
        "contract_id": CONTRACT,
        "name": "Simulated contract",
        "account": "acct.00000000-0000-0000-0000-000000000001",
        "archive_configuration": {"restrictions": [], "collections": ["l1d-sr"]},
        "tasking_configuration": {"has_credentials": True},
        "created_at": "2026-07-14T07:40:41.000000",
        "updated_at": "2026-07-14T07:40:41.000000",
        "status": "ACTIVE",
    }
    assert page["results"][2]["tasking_configuration"] is None


async def test_the_accounts_service_refuses_a_tasking_token_and_a_contract_header(
    start: Start, http: Http
) -> None:
    simulator = await start(SCENARIO)
    tasking = (await token(http, simulator))["access_token"]
    right = {"Authorization": f"Bearer {(await token(http, simulator, 'api'))['access_token']}"}
    path = "/v2/my/contracts"
    assert (await get(http, simulator, path, {"Authorization": f"Bearer {tasking}"}))[0] == 401
    assert (await get(http, simulator, path, {"authorizationToken": right["Authorization"]}))[0] == 401
    assert (await get(http, simulator, path, right | {"X-Satellogic-Contract-Id": CONTRACT}))[0] == 400


async def test_contracts_are_also_a_bare_list_for_a_tasking_token(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    bare = await headers(http, simulator)
    assert (await get(http, simulator, "/contracts", bare))[0] == 400
    del bare["X-Satellogic-Contract-Id"]
    status, contracts = await get(http, simulator, "/contracts", bare)
    assert (status, contracts[0]) == (200, {"contract_id": CONTRACT, "name": "Simulated contract"})


@pytest.mark.parametrize("path", READS)
async def test_every_call_needs_a_live_tasking_token_and_a_usable_contract(
    start: Start, http: Http, hand: list[float], path: str
) -> None:
    simulator = await start(SCENARIO)
    good = await headers(http, simulator)
    accounts_token = {"authorizationToken": f"Bearer {(await token(http, simulator, 'api'))['access_token']}"}
    only_contract = {"X-Satellogic-Contract-Id": CONTRACT}
    standard = {"Authorization": good["authorizationToken"]}

    async def status(headers: dict[str, str]) -> int:
        return (await get(http, simulator, path, headers))[0]

    assert await status(good) == 200
    assert await status(only_contract) == 401
    assert await status(only_contract | standard) == 401
    assert await status(only_contract | accounts_token) == 401
    assert await status({"authorizationToken": good["authorizationToken"]}) == 401
    assert await status(good | {"X-Satellogic-Contract-Id": ARCHIVE_ONLY}) == 403
    assert await status(good | {"X-Satellogic-Contract-Id": "cont.nobody"}) == 403
    hand[0] = 100
    assert await status(good) == 401


async def test_legacy_credentials_need_no_contract_and_a_contract_header_is_ignored(
    start: Start, http: Http
) -> None:
    simulator = await start(SCENARIO)
    bearer = (await token(http, simulator, client_id="old-client"))["access_token"]
    headers = {"authorizationToken": f"Bearer {bearer}"}
    for extra in ({}, {"X-Satellogic-Contract-Id": "cont.nobody"}):
        status, page = await get(http, simulator, TASKS, headers | extra)
        assert (status, [task["task_id"] for task in page["results"]]) == (200, [7])
    assert (await get(http, simulator, "/contracts", headers))[0] == 403


async def test_orders_of_another_contract_are_not_there(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(SCENARIO)
    hand[0] = 1
    other = await headers(http, simulator, OTHER)
    assert [t["task_id"] for t in (await get(http, simulator, TASKS, other))[1]["results"]] == [8]
    assert (await get(http, simulator, "/tasking/tasks/7", other))[0] == 404
    assert (await get(http, simulator, "/tasking/tasks/7/captures/", other))[0] == 404
    capture_id = ORDER.captures[0].capture_id
    assert (await get(http, simulator, f"/telluric/scenes/?sceneset_id={capture_id}", other))[1]["count"] == 0


async def test_lists_come_in_pages_with_absolute_links(start: Start, http: Http) -> None:
    simulator = await start(Scenario(orders=tuple(Order(task_id=n) for n in range(1, 61)), page_max=30))
    good = await headers(http, simulator)
    seen, pages, url = [], 0, f"{simulator.api_url}/tasking/tasks/"
    while url:
        assert url.startswith(simulator.api_url)
        _, page = await get(http, simulator, url, good)
        assert page["count"] == 60
        seen += [task["task_id"] for task in page["results"]]
        pages, url = pages + 1, page["next"]
    assert (seen, pages) == (list(range(1, 61)), 3)
    _, capped = await get(http, simulator, "/tasking/tasks/?limit=1000&offset=45", good)
    assert len(capped["results"]) == 15
    assert capped["previous"] == f"{simulator.api_url}/tasking/tasks/?limit=30&offset=15"


async def test_tasks_are_filtered_by_name_and_status(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(load("plain"))
    hand[0] = 0.3
    good = await headers(http, simulator)
    for query, expected in {
        "project_name=Water levels": [41002],
        "task_name=Pier 7": [41001],
        "status=received": [41001, 41003],
        "status=received&task_name=Pier 7": [41001],
    }.items():
        _, page = await get(http, simulator, f"/tasking/tasks/?{query}", good)
        assert [task["task_id"] for task in page["results"]] == expected


async def test_one_task_can_be_asked_with_and_without_a_slash(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    good = await headers(http, simulator)
    bare, slashed = [(await get(http, simulator, f"/tasking/tasks/7{end}", good))[1] for end in ("", "/")]
    assert bare == slashed
    assert (await get(http, simulator, "/tasking/tasks/9", good))[0] == 404


async def test_scenes_are_found_by_capture_and_each_request_mints_new_links(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(SCENARIO)
    good, path = (
        await headers(http, simulator),
        f"/telluric/scenes/?sceneset_id={ORDER.captures[0].capture_id}",
    )
    assert (await get(http, simulator, path, good))[1]["count"] == 0
    hand[0] = 1
    pages = [(await get(http, simulator, path, good))[1] for _ in range(2)]
    assert [page["count"] for page in pages] == [2, 2]
    urls = {a["url"] for page in pages for scene in page["results"] for a in scene["attachments"]}
    assert len(urls) == 16


async def test_an_order_can_be_placed_and_cancelled(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    good = await headers(http, simulator)
    tasks = f"{simulator.api_url}/tasking/tasks/"
    async with http.post(tasks, json={"task_name": "New"}, headers=good) as answer:
        assert answer.status == 400
        assert (await answer.json())["target"] == ["This field is required."]
    async with http.post(tasks, json=NEW, headers=good) as answer:
        assert answer.status == 201
        task = await answer.json()
    assert (task["task_id"], task["status"]) == (9, "received")
    async with http.patch(f"{tasks}9/cancel/", json={}, headers=good) as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "canceled")
    assert (await get(http, simulator, "/tasking/tasks/9", good))[1]["status"] == "canceled"


async def test_a_late_fault_loses_the_answer_but_not_the_order(start: Start, http: Http) -> None:
    simulator = await start(Scenario(faults=(Fault(on="place", kind="reset", late=True),)))
    good = await headers(http, simulator)
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.post(f"{simulator.api_url}/tasking/tasks/", json=NEW, headers=good)
    assert (await get(http, simulator, TASKS, good))[1]["count"] == 1


async def test_a_placed_order_may_be_shown_later_than_it_was_taken(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(SCENARIO.model_copy(update={"listing_lag": 30.0}))
    good = await headers(http, simulator)

    async def shown() -> tuple[int, int]:
        found = (await get(http, simulator, TASKS, good))[1]["count"]
        return found, (await get(http, simulator, "/tasking/tasks/9", good))[0]

    async with http.post(simulator.api_url + TASKS, json=NEW, headers=good) as answer:
        assert (answer.status, (await answer.json())["task_id"]) == (201, 9)
    assert await shown() == (1, 404)
    hand[0] = 29
    assert await shown() == (1, 404)
    hand[0] = 30
    assert await shown() == (2, 200)


async def test_a_window_is_judged_by_the_providers_clock(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO.model_copy(update={"clock_ahead": 86_400 * 365 * 100}))
    good = await headers(http, simulator)
    async with http.post(simulator.api_url + TASKS, json=NEW, headers=good) as answer:
        assert (answer.status, await answer.json()) == (400, {"end": ["The window is over."]})


async def test_credentials_that_may_not_task_have_less_scope_and_only_look(start: Start, http: Http) -> None:
    accounts = (Account(may_task=False),)
    simulator = await start(SCENARIO.model_copy(update={"accounts": accounts}))
    assert (await token(http, simulator))["scope"] == "api:delivery"
    good = await headers(http, simulator)
    tasks = simulator.api_url + TASKS
    async with http.post(tasks, json=NEW, headers=good) as answer:
        assert answer.status == 403
    async with http.patch(f"{tasks}7/cancel/", json={}, headers=good) as answer:
        assert answer.status == 403
        assert "api:tasking" in (await answer.json())["detail"]
    assert [row["status"] for row in (await get(http, simulator, TASKS, good))[1]["results"]] == ["received"]


async def test_without_credit_a_good_order_is_refused_and_a_bad_one_for_what_it_is(
    start: Start, http: Http
) -> None:
    simulator = await start(SCENARIO.model_copy(update={"accounts": (Account(credit=False),)}))
    good = await headers(http, simulator)
    tasks = simulator.api_url + TASKS
    async with http.post(tasks, json=NEW, headers=good) as answer:
        assert (answer.status, await answer.json()) == (402, {"detail": "The contract has no credit left."})
    async with http.post(tasks, json=NEW | {"product": 1}, headers=good) as answer:
        assert answer.status == 400
    async with http.patch(f"{tasks}7/cancel/", json={}, headers=good) as answer:
        assert answer.status == 200
    assert len(simulator.scenario.orders) == 2


async def broken(start: Start, http: Http, fault: Fault) -> tuple[Simulator, dict[str, str]]:
    simulator = await start(SCENARIO.model_copy(update={"faults": (fault,)}))
    return simulator, await headers(http, simulator)


@pytest.mark.parametrize(
    ("on", "path"),
    [
        ("products", "/tasking/products/"),
        ("tasks", TASKS),
        ("task", "/tasking/tasks/7"),
        ("captures", "/tasking/tasks/7/captures/"),
        ("scenes", "/telluric/scenes/"),
    ],
)
async def test_a_status_fault_answers_its_code_once(start: Start, http: Http, on: On, path: str) -> None:
    simulator, good = await broken(start, http, Fault(on=on, kind="status", code=429, retry_after=7))
    async with http.get(simulator.api_url + path, headers=good) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert (await get(http, simulator, path, good))[0] == 200


async def test_faults_can_hit_the_token_endpoint_and_one_of_the_contract_lists(
    start: Start, http: Http
) -> None:
    faults = (
        Fault(on="token", kind="status", code=500),
        Fault(on="contracts", kind="status", code=403, match=Match(path="/v2/my/contracts")),
    )
    simulator = await start(SCENARIO.model_copy(update={"faults": faults}))
    async with http.post(simulator.token_url) as answer:
        assert answer.status == 500
    good = await headers(http, simulator)
    bare = {"authorizationToken": good["authorizationToken"]}
    assert (await get(http, simulator, "/contracts", bare))[0] == 200
    assert (await get(http, simulator, "/v2/my/contracts", bare))[0] == 403


async def test_a_fault_can_be_for_one_order_only(start: Start, http: Http, hand: list[float]) -> None:
    simulator, good = await broken(start, http, Fault(on="scenes", kind="status", match=Match(task_id=7)))
    hand[0] = 1
    assert (await get(http, simulator, "/telluric/scenes/?sceneset_id=other", good))[0] == 200
    capture_id = simulator.scenario.orders[0].captures[0].capture_id
    assert (await get(http, simulator, f"/telluric/scenes/?sceneset_id={capture_id}", good))[0] == 503


@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_a_connection_can_break_under_an_answer(start: Start, http: Http, kind: Kind) -> None:
    simulator, good = await broken(start, http, Fault(on="tasks", kind=kind, times=0))
    with pytest.raises(aiohttp.ClientError):
        await get(http, simulator, TASKS, good)


@pytest.mark.parametrize("kind", ["delay", "stall", "drip"])
async def test_an_answer_can_be_slower_than_anyone_waits(start: Start, http: Http, kind: Kind) -> None:
    simulator, good = await broken(start, http, Fault(on="tasks", kind=kind, seconds=600))
    limit = aiohttp.ClientTimeout(sock_read=0.2)
    with pytest.raises(TimeoutError):
        async with http.get(f"{simulator.api_url}/tasking/tasks/", headers=good, timeout=limit) as answer:
            await answer.read()


async def test_a_delay_ends_with_the_true_answer(start: Start, http: Http) -> None:
    simulator, good = await broken(start, http, Fault(on="tasks", kind="delay", seconds=0.01))
    assert (await get(http, simulator, TASKS, good))[1]["count"] == 1


async def test_html_comes_with_200(start: Start, http: Http) -> None:
    simulator, good = await broken(start, http, Fault(on="tasks", kind="html"))
    async with http.get(f"{simulator.api_url}/tasking/tasks/", headers=good) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")


async def test_malformed_json_arrives_whole_but_does_not_parse(start: Start, http: Http) -> None:
    simulator, good = await broken(start, http, Fault(on="tasks", kind="malformed"))
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        await get(http, simulator, TASKS, good)


async def test_a_page_can_point_to_itself(start: Start, http: Http) -> None:
    simulator, good = await broken(start, http, Fault(on="tasks", kind="page_loop"))
    url = f"{simulator.api_url}/tasking/tasks/?limit=1"
    assert (await get(http, simulator, url, good))[1]["next"] == url


async def test_a_token_can_expire_before_its_time(start: Start, http: Http) -> None:
    simulator, good = await broken(start, http, Fault(on="tasks", kind="expire"))
    assert [(await get(http, simulator, TASKS, good))[0] for _ in range(2)] == [401, 401]
    assert (await get(http, simulator, TASKS, await headers(http, simulator)))[0] == 200


async def test_unknown_paths_are_not_found_and_noted(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    async with http.get(f"{simulator.api_url}/archive/stac?secret=1") as answer:
        assert answer.status == 404
    (entry,) = simulator.journal
    assert (entry.path, entry.status) == ("/archive/stac", 404)


async def test_the_journal_counts_requests_and_holds_no_secret(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    good = await headers(http, simulator)
    await get(http, simulator, "/tasking/tasks/?limit=5", good)
    await get(http, simulator, TASKS, {})
    assert simulator.journal.count(path=TASKS) == 2
    assert simulator.journal.count(path=TASKS, status=401) == 1
    assert simulator.journal.count(method="POST") == 1
    async with http.get(f"{simulator.api_url}/_sim/journal") as answer:
        text = await answer.text()
        document = await answer.json()
    assert (document["count"], document["leaks"]) == (3, 0)
    assert document["sent"] == sum(entry.sent for entry in simulator.journal) > 0
    assert good["authorizationToken"].removeprefix("Bearer ") not in text
    simulator.journal.clear()
    assert len(simulator.journal) == 0
