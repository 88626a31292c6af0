"""`contracts` and `products`: what the credentials may use."""

import json
from typing import Any

import pytest
from tests.app.app_rig import Ended, Rig, Rigged

from orderwatch.simulator.faults import Fault, Match
from orderwatch.simulator.scenario import CONTRACT, Account, Contract, Product, Scenario

OTHER = Contract(contract_id="cont.other", name="Archive\x1b[31m only", tasking=False)
MAIN = Account(contracts=(Contract(), OTHER))
SECOND = Account(name="second", client_id="second", contracts=(Contract(contract_id="cont.2"),))
LEGACY = Account(name="old", client_id="old", kind="legacy")


async def _rig(rigged: Rigged, **scenario: object) -> Rig:
    """A machine with every account of the scenario."""
    rig = await rigged(Scenario.model_validate({"accounts": (MAIN, SECOND, LEGACY), **scenario}))
    names = [account.name for account in rig.simulator.scenario.accounts]
    rig.configure('task_name = "*"', more="\n".join(rig.simulator.config_toml(name) for name in names[1:]))
    return rig


def _accounts(ended: Ended) -> dict[str, Any]:
    return {facts["account"]: facts for facts in json.loads(ended.out)["accounts"]}


async def test_contracts_of_every_account_are_told_and_no_database_is_made(rigged: Rigged) -> None:
    rig = await _rig(rigged)
    ended = await rig.call("contracts", "--json")
    assert (ended.code, ended.err) == (0, "")
    found = _accounts(ended)
    assert list(found) == ["main", "second", "old"]
    assert found["main"] == {
        "account": "main",
        "credentials": "platform",
        "scope": ["api:tasking", "api:delivery"],
        "source": "accounts",
        "contracts": [
            {
                "contract_id": CONTRACT,
                "name": "Simulated contract",
                "status": "ACTIVE",
                "can_task": True,
                "used": True,
            },
            {
                "contract_id": "cont.other",
                "name": OTHER.name,
                "status": "ACTIVE",
                "can_task": False,
                "used": False,
            },
        ],
        "problem": None,
    }
    assert found["old"]["contracts"] == []
    assert (found["old"]["source"], found["old"]["scope"]) == (None, ["api:tasking", "api:delivery"])
    assert sorted(path.name for path in rig.folder.iterdir()) == ["config.toml"]


async def test_contracts_are_told_to_a_person_without_control_characters(rigged: Rigged) -> None:
    rig = await _rig(rigged)
    ended = await rig.call("contracts")
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert lines[0] == "main: platform credentials, scope api:tasking api:delivery"
    assert lines[1].split()[:5] == ["used", CONTRACT, "ACTIVE", "can", "task:"]
    assert "can task: no" in lines[2]
    assert "\x1b" not in ended.out
    assert lines[-1] == "  no contracts: legacy credentials have none; can task: yes"


async def test_the_short_list_does_not_say_whether_a_contract_can_task(rigged: Rigged) -> None:
    fault = Fault(on="contracts", kind="status", code=501, times=0, match=Match(path="/v2/my/contracts"))
    rig = await _rig(rigged, accounts=(SECOND.model_copy(update={"name": "main"}),), faults=(fault,))
    ended = await rig.call("contracts", "--json")
    (facts,) = _accounts(ended).values()
    (contract,) = facts["contracts"]
    assert (ended.code, facts["source"]) == (0, "contracts")
    assert (contract["can_task"], contract["status"], contract["used"]) == (None, None, True)


async def test_a_configured_contract_that_is_not_there_or_cannot_task_exits_4(rigged: Rigged) -> None:
    rig = await _rig(rigged)
    text = (
        rig.config.read_text(encoding="utf-8").replace("cont.2", "cont.gone").replace(CONTRACT, "cont.other")
    )
    rig.config.write_text(text, encoding="utf-8")
    ended = await rig.call("contracts", "--json")
    assert ended.code == 4
    assert ended.err.splitlines() == [
        "orderwatch: account main: contract cont.other is not configured for tasking",
        "orderwatch: account second: contract cont.gone is not among the 1 contracts of these credentials",
    ]
    found = _accounts(ended)
    assert [contract["used"] for contract in found["main"]["contracts"]] == [False, True]
    assert "cont.gone" in found["second"]["problem"]


async def test_credentials_that_may_not_task_are_told_with_their_contracts(rigged: Rigged) -> None:
    weak = {"may_task": False}
    rig = await _rig(rigged, accounts=(MAIN.model_copy(update=weak), LEGACY.model_copy(update=weak)))
    ended = await rig.call("contracts", "--json")
    assert ended.code == 4
    assert ended.err.count("these credentials cannot place orders: their scope is api:delivery") == 2
    assert len(_accounts(ended)["main"]["contracts"]) == 2


@pytest.mark.parametrize("command", ["contracts", "products"])
async def test_each_account_fails_alone(rigged: Rigged, command: str) -> None:
    fault = Fault(on="token", kind="status", code=501, times=0, match=Match(account="second"))
    rig = await _rig(rigged, accounts=(MAIN, SECOND), faults=(fault,))
    ended = await rig.call(command, "--json")
    assert (ended.code, ended.err) == (1, "orderwatch: account second: token: 501\n")
    assert "main" in ended.out
    rig.simulator.rotate("main", "fresh")
    ended = await rig.call(command)
    assert (ended.code, len(ended.err.splitlines())) == (4, 2)
    assert "account main: token: 401: check client_id, client_secret" in ended.err
    for secret in ("sim-secret", "sim-client"):
        assert secret not in ended.out + ended.err


async def test_products_are_told_with_what_they_take(rigged: Rigged) -> None:
    products = (Product(pk=169, name="Point"), Product(pk=178, name="Area", is_area=True))
    rig = await _rig(rigged, products=products)
    ended = await rig.call("products", "--account", "second", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["products"] == [
        {"account": "second", "id": 169, "name": "Point", "kind": "point"},
        {"account": "second", "id": 178, "name": "Area", "kind": "area"},
    ]
    told = (await rig.call("products")).out.splitlines()
    assert [line.split() for line in told[:2]] == [
        ["main", "169", "point", "Point"],
        ["main", "178", "area", "Area"],
    ]
    assert len(told) == 6
    assert sorted(path.name for path in rig.folder.iterdir()) == ["config.toml"]


@pytest.mark.parametrize("command", ["contracts", "products"])
async def test_an_account_that_is_not_configured_is_a_usage_error(rigged: Rigged, command: str) -> None:
    rig = await _rig(rigged)
    ended = await rig.call(command, "--account", "nobody")
    assert (ended.code, ended.out) == (2, "")
    assert "unknown account 'nobody'; configured: main, second, old" in ended.err
    assert rig.simulator.journal.entries == []
