"""`check --online` requests every API that the account uses, and shows what each answers."""

import json

import pytest
from tests.app.app_rig import Facts, Rig, Rigged
from tests.app.v2.v2_kit import account, machine, requests

ALL = ("deliverables", "stac", "telluric")


async def checked(rig: Rig) -> tuple[int, dict[str, Facts]]:
    ended = await rig.call("check", "--online", "--json")
    return ended.code, {check["name"]: check for check in json.loads(ended.out)["checks"]}


async def test_each_api_is_requested_once(rigged: Rigged) -> None:
    rig = await machine(rigged, accounts=(account(*ALL),))
    code, checks = await checked(rig)
    assert code == 0
    assert {name: check["detail"] for name, check in checks.items() if name.endswith(" of main")} == {
        "credentials of main": "accepted",
        "contract of main": "accepted",
        "deliverables of main": "answers",
        "stac of main": "127.0.0.1 answers a search",
        "telluric of main": "answers",
    }
    assert sorted(requests(rig)) == [
        "GET /telluric/scenes/",
        "GET /v2/deliverables/",
        "GET /v2/my/contracts",
        "GET /v2/orders/",
        "POST /v2/archive/search",
    ]


@pytest.mark.parametrize(("on", "gone"), [("archive", "stac"), ("telluric", "telluric"), ("v2", "contract")])
async def test_an_api_that_is_gone_is_named(rigged: Rigged, on: str, gone: str) -> None:
    rig = await machine(rigged, accounts=(account(*ALL),), gone=(on,))
    code, checks = await checked(rig)
    assert code == 1
    assert [name for name, check in checks.items() if not check["ok"]] == [f"{gone} of main"]
    assert "404" in checks[f"{gone} of main"]["detail"]


async def test_a_contract_without_a_list_of_deliverables_is_no_problem(rigged: Rigged) -> None:
    rig = await machine(rigged, accounts=(account("deliverables"),), v2={"contract_wide": False})
    code, checks = await checked(rig)
    assert code == 0
    assert checks["deliverables of main"]["detail"].startswith("is requested of each order")
    assert "stac of main" not in checks
