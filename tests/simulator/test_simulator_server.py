import tomllib
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from orderwatch.simulator import Scenario, Simulator, load, serve
from orderwatch.simulator.scenario import CONTRACT, Account, Order

Start = Callable[[Scenario], Awaitable[Simulator]]


async def test_the_configuration_points_at_the_simulator(start: Start) -> None:
    simulator = await start(Scenario())
    assert tomllib.loads(simulator.config_toml()) == {
        "accounts": {
            "main": {
                "credentials": "platform",
                "client_id": "sim-client",
                "client_secret": "sim-secret",
                "contract_id": CONTRACT,
                "endpoints": {
                    "token": f"{simulator.api_url}/oauth/token",
                    "accounts": simulator.api_url,
                    "api": simulator.api_url,
                },
            }
        }
    }


async def test_the_configuration_of_legacy_credentials_names_no_contract(start: Start) -> None:
    simulator = await start(Scenario(accounts=(Account(name="old", kind="legacy"),)))
    account = tomllib.loads(simulator.config_toml("old"))["accounts"]["old"]
    assert account["credentials"] == "legacy"
    assert "contract_id" not in account
    with pytest.raises(KeyError):
        simulator.config_toml("main")


async def test_the_configuration_names_the_apis_that_are_not_the_default(start: Start) -> None:
    simulator = await start(Scenario(accounts=(Account(api="v2", delivery_api=("stac", "telluric")),)))
    account = tomllib.loads(simulator.config_toml())["accounts"]["main"]
    assert (account["api"], account["delivery_api"]) == ("v2", ["stac", "telluric"])


async def test_the_clock_can_begin_anew(start: Start, hand: list[float]) -> None:
    simulator = await start(Scenario(speed=2, orders=(Order(task_id=1, status=((4, "received"),)),)))
    hand[0] = 2
    assert (simulator.seconds(), len(simulator.world.orders(4))) == (4, 1)
    simulator.restart_clock()
    assert simulator.seconds() == 0
    assert simulator.world.moment(0).second == 43


async def test_a_simulator_can_be_started_again_on_its_ports() -> None:
    async with serve(load("plain")) as first:
        ports = [int(url.rpartition(":")[2]) for url in (first.api_url, first.download_url)]
    async with (
        serve(load("plain"), port=ports[0], download_port=ports[1]) as second,
        aiohttp.ClientSession() as http,
        http.get(f"{second.api_url}/_sim/journal") as answer,
    ):
        assert (await answer.json())["count"] == 0
        assert second.download_url == first.download_url


async def test_a_taken_port_is_an_os_error() -> None:
    async with serve(Scenario()) as simulator:
        with pytest.raises(OSError, match="in use"):
            async with serve(Scenario(), port=int(simulator.api_url.rpartition(":")[2])):
                pass


@pytest.mark.parametrize("word", ["demo", "plain"])
async def test_the_built_in_scenarios_end_with_every_scene_published(
    start: Start, hand: list[float], word: str
) -> None:
    scenario = load(word)
    simulator = await start(scenario)
    hand[0] = 30
    wanted = [scene for order in scenario.orders for capture in order.captures for scene in capture.scenes]
    assert len(simulator.world.places(simulator.seconds())) == len(wanted)
    assert {order.status[-1][1] for order in scenario.orders} <= {"completed", "rejected"}
