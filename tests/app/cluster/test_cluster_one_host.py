"""One daemon on PostgreSQL does the same as on a file."""

import json
from collections import Counter

import pytest
from tests import postgres
from tests.app.app_rig import Rigged, sha256

from orderwatch.simulator.scenario import load

TASKS = "task_ids = [41001, 41002, 41003]"
SCENES = 7


async def test_every_zip_arrives_once_and_commands_and_a_restart_know_it(
    rigged: Rigged, server: postgres.Server
) -> None:
    rig = await rigged(load("plain"))
    rig.configure(TASKS)
    rig.database = server.bare_database()
    rig.environment["ORDERWATCH_DATABASE__URL"] = str(rig.database)
    daemon = await rig.start("run")
    deliveries = await rig.until_stored(SCENES)
    assert {d["scene_id"]: sha256(rig.tree / d["path"]) for d in deliveries} == await rig.truth()
    (host,) = json.loads((await rig.call("hosts", "--json")).out)["hosts"]
    assert (host["state"], host["accounts"]) == ("running", ["main"])
    assert await rig.terminated(daemon) == 0
    downloads = Counter(entry.path for entry in rig.simulator.journal.find(listener="download"))
    assert set(downloads.values()) == {1}

    rig.simulator.journal.clear()
    assert (await rig.call("once")).code == 0
    assert not rig.simulator.journal.find(listener="download")
    assert {d["state"] for d in await rig.deliveries()} == {"stored"}
    for command in (["history", "41001"], ["explain", "41001"], ["report"], ["verify"], ["retry", "--all"]):
        ended = await rig.call(*command)
        assert ended.code == 0, ended.err
    refused = await rig.call("backup")
    assert refused.code == 3
    assert "pg_dump" in refused.err


@pytest.mark.long
async def test_an_empty_database_is_filled_from_the_tree_while_no_daemon_runs(
    rigged: Rigged, server: postgres.Server
) -> None:
    rig = await rigged(load("plain"))
    rig.configure(TASKS)
    rig.database = server.bare_database()
    rig.environment["ORDERWATCH_DATABASE__URL"] = str(rig.database)
    daemon = await rig.start("run")
    await rig.until_stored(SCENES)
    assert "a daemon runs on postgresql://" in (await rig.call("rebuild")).err
    assert await rig.terminated(daemon) == 0
    assert "create an empty database" in (await rig.call("rebuild")).err
    rig.environment["ORDERWATCH_DATABASE__URL"] = str(server.bare_database())
    rebuilt = await rig.call("rebuild")
    assert rebuilt.code == 0, rebuilt.err
    assert f"{SCENES} stored files" in rebuilt.out
    rig.simulator.journal.clear()
    assert (await rig.call("once")).code == 0
    assert not rig.simulator.journal.find(listener="download")
