"""`health` beside a running daemon, and beside none."""

import asyncio
import json

from tests.app.app_rig import Ended, Rigged
from tests.patience import PATIENCE

from orderwatch.simulator.scenario import Scenario


async def test_the_daemon_answers_behind_a_socket_and_a_token_until_it_ends(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    rig.configure('task_name = "*"', more=f'[http]\nlisten = "unix:{rig.folder}/http.sock"\ntoken = "canary"')
    daemon = await rig.start("run")
    async with asyncio.timeout(PATIENCE):
        while (ended := await rig.call("health", "--json")).code:
            await asyncio.sleep(0.1)
    assert json.loads(ended.out) == {"ok": True, "reasons": []}
    assert await rig.call("health") == Ended(0, "healthy\n", "")
    await rig.terminated(daemon)
    ended = await rig.call("health")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert f"no daemon answers at unix:{rig.folder}/http.sock" in ended.err


async def test_without_an_address_there_is_nothing_to_request(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    rig.configure('task_name = "*"', more='[http]\nlisten = ""')
    assert (await rig.call("health")).code == 2
