"""Two accounts, and a world that changes while it runs."""

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError
from tests.simulator.simulator_kit import TASKING, TASKS, Http, Start, get, headers, token

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.faults import Fault, Kind, Match
from orderwatch.simulator.scenario import CONTRACT, Account, Contract, Order

OTHER = "cont.00000000-0000-0000-0000-000000000002"
A = Account(name="a", client_id="a-client")
B = Account(
    name="b", client_id="b-client", client_secret="b-secret", contracts=(Contract(contract_id=OTHER),)
)
LEGACY = Account(name="old", client_id="old-client", kind="legacy")
SCENARIO = Scenario(
    accounts=(A, B, LEGACY), orders=(Order(task_id=7), Order(task_id=8, contract=OTHER)), token_life=100
)


async def as_a(http: Http, simulator: Simulator) -> dict[str, str]:
    return await headers(http, simulator, client_id="a-client")


async def as_b(http: Http, simulator: Simulator) -> dict[str, str]:
    return await headers(http, simulator, OTHER, client_id="b-client", client_secret="b-secret")


async def token_status(http: Http, simulator: Simulator, client_id: str, client_secret: str) -> int:
    body = {"client_id": client_id, "client_secret": client_secret, "audience": TASKING}
    body |= {"grant_type": "client_credentials"}
    async with http.post(simulator.token_url, json=body) as answer:
        return answer.status


async def test_a_fault_can_be_for_one_account_only(start: Start, http: Http) -> None:
    fault = Fault(on="tasks", kind="status", times=0, match=Match(account="b"))
    simulator = await start(SCENARIO.model_copy(update={"faults": (fault,)}))
    good_a, good_b = await as_a(http, simulator), await as_b(http, simulator)
    assert [(await get(http, simulator, TASKS, good))[0] for good in (good_a, good_b, {})] == [200, 503, 401]


async def test_a_fault_of_one_accounts_tokens_goes_by_client_id(start: Start, http: Http) -> None:
    fault = Fault(on="token", kind="status", times=0, match=Match(account="b"))
    simulator = await start(SCENARIO.model_copy(update={"faults": (fault,)}))
    assert await token_status(http, simulator, "a-client", "sim-secret") == 200
    assert await token_status(http, simulator, "b-client", "wrong") == 503
    assert await token_status(http, simulator, "nobody", "wrong") == 401
    async with http.post(simulator.token_url, data=b"\xff") as answer:
        assert answer.status == 400


def test_a_fault_of_an_account_needs_that_account_and_no_download() -> None:
    with pytest.raises(ValidationError, match="unknown accounts: c"):
        Scenario(accounts=(A, B), faults=(Fault(on="tasks", kind="cut", match=Match(account="c")),))
    with pytest.raises(ValidationError, match="has no account"):
        Fault(on="download", kind="cut", match=Match(account="a"))


async def test_the_journal_knows_who_asked(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(SCENARIO)
    good_a, good_b = await as_a(http, simulator), await as_b(http, simulator)
    for good in (good_a, good_b, good_b, {}):
        await get(http, simulator, TASKS, good)
    assert [simulator.journal.count(account=name, path=TASKS) for name in ("a", "b", "old")] == [1, 2, 0]
    assert [entry.account for entry in simulator.journal.find(method="POST")] == ["a", "b"]
    assert [entry.account for entry in simulator.journal.find(status=401)] == [None]
    hand[0] = 200
    await get(http, simulator, TASKS, good_b)
    assert simulator.journal.count(account="b", status=401) == 1
    async with http.get(f"{simulator.api_url}/_sim/journal") as answer:
        assert (await answer.json())["entries"][0]["account"] == "a"


async def test_a_rotated_secret_gets_tokens_and_the_old_ones_tokens_stay_good(
    start: Start, http: Http
) -> None:
    simulator = await start(SCENARIO)
    good = await as_a(http, simulator)
    simulator.rotate("a", "fresh")
    assert await token_status(http, simulator, "a-client", "sim-secret") == 401
    assert await token_status(http, simulator, "a-client", "fresh") == 200
    assert await token_status(http, simulator, "b-client", "b-secret") == 200
    assert (await get(http, simulator, TASKS, good))[0] == 200
    assert tomllib.loads(simulator.config_toml("a"))["accounts"]["a"]["client_secret"] == "fresh"
    with pytest.raises(KeyError):
        simulator.rotate("c", "fresh")


async def test_tokens_can_be_revoked_before_their_time(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    good_a, good_b = await as_a(http, simulator), await as_b(http, simulator)
    simulator.revoke_tokens()
    assert [(await get(http, simulator, TASKS, good))[0] for good in (good_a, good_b)] == [401, 401]
    assert (await get(http, simulator, TASKS, await as_a(http, simulator)))[0] == 200
    assert simulator.journal.count(account="b", status=401) == 1


@pytest.mark.parametrize(
    ("ends", "comes_back"),
    [({"status": "INACTIVE"}, {"status": "ACTIVE"}), ({"tasking": False}, {"tasking": True})],
)
async def test_a_contract_can_end_and_come_back(
    start: Start, http: Http, ends: dict[str, Any], comes_back: dict[str, Any]
) -> None:
    simulator = await start(SCENARIO)
    good_a, good_b = await as_a(http, simulator), await as_b(http, simulator)
    accounts = (await token(http, simulator, "api", client_id="a-client"))["access_token"]

    async def shown() -> tuple[str, bool]:
        bearer = {"Authorization": f"Bearer {accounts}"}
        (row,) = (await get(http, simulator, "/v2/my/contracts", bearer))[1]["results"]
        return row["status"], row["tasking_configuration"] is not None

    simulator.set_contract(CONTRACT, **ends)
    assert await shown() == (ends.get("status", "ACTIVE"), ends.get("tasking", True))
    assert [(await get(http, simulator, TASKS, good))[0] for good in (good_a, good_b)] == [403, 200]
    simulator.set_contract(CONTRACT, **comes_back)
    assert await shown() == ("ACTIVE", True)
    assert (await get(http, simulator, TASKS, good_a))[1]["results"][0]["task_id"] == 7


async def test_legacy_credentials_without_a_usable_contract_are_forbidden(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    good = await headers(http, simulator, client_id="old-client")
    simulator.set_contract(CONTRACT, status="INACTIVE")
    assert (await get(http, simulator, TASKS, good))[0] == 403
    with pytest.raises(KeyError):
        simulator.set_contract("cont.nobody", status="INACTIVE")


async def test_the_scenario_as_it_began_is_left_alone(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO)
    simulator.rotate("a", "fresh")
    simulator.set_contract(OTHER, tasking=False)
    assert SCENARIO.accounts == (A, B, LEGACY)
    assert simulator.scenario.accounts[0].client_secret == "fresh"
    assert await token_status(http, simulator, "a-client", "fresh") == 200


async def test_in_an_outage_every_api_answers_503_and_nothing_else_changes(start: Start, http: Http) -> None:
    simulator = await start(SCENARIO.model_copy(update={"faults": (Fault(on="tasks", kind="html"),)}))
    good = await as_a(http, simulator)
    simulator.outage = True
    for path in (TASKS, "/tasking/tasks/7", "/v2/my/contracts", "/nowhere"):
        assert (await get(http, simulator, path, good))[0] == 503
    assert await token_status(http, simulator, "a-client", "sim-secret") == 503
    assert simulator.journal.count(status=503, account="a") == 5
    async with http.get(f"{simulator.api_url}/_sim/truth") as answer:
        assert answer.status == 200
    async with http.get(f"{simulator.download_url}/storage/S/thumbnail") as answer:
        assert answer.status == 403
    simulator.outage = False
    async with http.get(simulator.api_url + TASKS, headers=good) as answer:
        assert answer.content_type == "text/html"  # the fault has waited
    assert (await get(http, simulator, TASKS, good))[0] == 200


@pytest.mark.parametrize("kind", ["bare", "vanished"])
async def test_lies_too_can_be_for_one_account_only(start: Start, http: Http, kind: Kind) -> None:
    fault = Fault(on="tasks", kind=kind, match=Match(account="b"))
    simulator = await start(SCENARIO.model_copy(update={"faults": (fault,)}))
    for good, honest in ((await as_a(http, simulator), True), (await as_b(http, simulator), False)):
        _, page = await get(http, simulator, TASKS, good)
        assert ([task.get("client") for task in page["results"]] == ["Simulated client"]) is honest
