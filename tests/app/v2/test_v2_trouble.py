"""What an account with api = "v2" makes of a provider that refuses, fails and answers nonsense."""

import asyncio
import json

import pytest
from tests.app.app_rig import Facts, Rig, Rigged
from tests.app.v2.v2_kit import account, machine, published
from tests.patience import PATIENCE

from orderwatch.simulator.scenario import Contract

ORDER = {"task_id": 7, "status": ((0, "in_progress"),), "captures": (published(),)}
SUSPENDED = (Contract(status="SUSPENDED"),)


async def attention(rig: Rig) -> list[Facts]:
    """Return what needs a person of the account; nothing while there is no database yet."""
    ended = await rig.call("status", "--json")
    found: list[Facts] = json.loads(ended.out)["attention"] if ended.code == 0 else []
    return [concern for concern in found if concern["account"] == "main"]


@pytest.mark.parametrize("answer", [401, 403])
async def test_a_contract_that_is_unusable_needs_a_person(rigged: Rigged, answer: int) -> None:
    refused = account(contracts=SUSPENDED)
    rig = await machine(rigged, accounts=(refused,), orders=(ORDER,), v2={"wrong_contract": answer})
    daemon = await rig.start("run")
    async with asyncio.timeout(PATIENCE):
        while not (found := await attention(rig)):
            await asyncio.sleep(0.1)
    (concern,) = found
    assert concern["name"] == "account.refused"
    assert "is 'SUSPENDED', not 'ACTIVE'" in concern["text"]
    assert len(rig.simulator.journal.find(path="/v2/orders/")) < 20
    assert await rig.terminated(daemon) == 0
    ended = await rig.call("once")
    assert (ended.code, "is 'SUSPENDED', not 'ACTIVE'" in ended.err) == (4, True)


@pytest.mark.parametrize(
    "on",
    [
        "v2_orders",
        "v2_captures",
        *(pytest.param(on, marks=pytest.mark.long) for on in ("v2_order", "v2_deliverables", "v2_events")),
    ],
)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "expire"},
        pytest.param({"kind": "status", "code": 429, "retry_after": 0}, marks=pytest.mark.long),
        pytest.param({"kind": "html_error", "code": 502}, marks=pytest.mark.long),
        {"kind": "html"},
        {"kind": "malformed"},
    ],
)
async def test_no_fault_of_the_api_costs_a_file_or_makes_an_order_lost(
    rigged: Rigged, on: str, fault: dict[str, object]
) -> None:
    rig = await machine(
        rigged, watch='order_ids = ["000383"]', orders=(ORDER,), faults=({"on": on, **fault, "times": 2},)
    )
    for _ in range(4):
        await rig.call("once")
    (order,) = await rig.status()
    assert (order["status"], order["state"]) == ("in_progress", "open")
    assert len(rig.zips()) == 1
    assert (await rig.call("verify")).code == 0
    assert not json.loads((await rig.call("status", "--json")).out)["attention"]
