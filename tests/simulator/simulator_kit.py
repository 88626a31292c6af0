"""What the tests of the simulator's APIs share: a client that asks as the provider wants to be asked."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.scenario import CONTRACT

Start = Callable[[Scenario], Awaitable[Simulator]]
Http = aiohttp.ClientSession

TASKING = "https://api.satellogic.com/"
TASKS = "/tasking/tasks/"


async def token(http: Http, simulator: Simulator, audience: str = TASKING, **other: str) -> Any:  # noqa: ANN401
    body = {"client_id": "sim-client", "client_secret": "sim-secret", "grant_type": "client_credentials"}
    async with http.post(simulator.token_url, json=body | {"audience": audience} | other) as answer:
        assert answer.status == 200
        return await answer.json()


async def headers(
    http: Http, simulator: Simulator, contract: str = CONTRACT, **credentials: str
) -> dict[str, str]:
    bearer = (await token(http, simulator, **credentials))["access_token"]
    return {"authorizationToken": f"Bearer {bearer}", "X-Satellogic-Contract-Id": contract}


async def get(http: Http, simulator: Simulator, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    async with http.get(path if "://" in path else simulator.api_url + path, headers=headers) as answer:
        return answer.status, await answer.json()
