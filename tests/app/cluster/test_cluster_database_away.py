"""PostgreSQL that is restarted, or away for longer than leases and timeouts last."""

import asyncio
import json
from collections import Counter

import pytest
from tests import postgres
from tests.app.app_rig import sha256
from tests.app.cluster.cluster_rig import Cluster, Host, scenes
from tests.app.cluster.conftest import Clustered

pytestmark = pytest.mark.long

COUNT, SIZE = 8, 1_000_000


def begins_and_ends(host: Host) -> tuple[int, int]:
    lines = [json.loads(line) for line in host.log.read_text(encoding="utf-8").splitlines()]
    logged = Counter(line["event"] for line in lines)
    return logged["database.busy"], logged["database.free"]


async def all_is_stored_once(cluster: Cluster) -> None:
    stored = await cluster.until_stored(COUNT)
    truth = await cluster.truth()
    assert {d["scene_id"]: sha256(cluster.tree / d["path"]) for d in stored} == truth
    assert sorted(await cluster.times_stored()) == sorted(truth)


@pytest.mark.parametrize("how", ["fast", "immediate"])
async def test_a_restart_of_the_server_ends_no_host_and_loses_nothing(
    how: str, clustered: Clustered, server: postgres.Server
) -> None:
    cluster = await clustered(scenes(COUNT, SIZE, "300 kB"))
    hosts = [await cluster.host("one"), await cluster.host("two")]
    await cluster.until_downloads(3)
    await asyncio.to_thread(server.restart, how)
    await all_is_stored_once(cluster)
    for host in hosts:
        begun, ended = begins_and_ends(host)
        assert begun == ended <= 1
        assert await cluster.terminated(host.process) == 0


async def test_a_server_that_is_away_for_a_minute_ends_no_host_and_loses_nothing(
    clustered: Clustered, server: postgres.Server
) -> None:
    """Meanwhile a host can be stopped, and one that starts waits. Each logs one begin and one end."""
    cluster = await clustered(scenes(COUNT, SIZE, "100 kB"))
    one, two = await cluster.host("one"), await cluster.host("two")
    await cluster.until_downloads(3)
    await asyncio.to_thread(server.stop)
    try:
        await cluster.until_logged(two, "database.busy")
        assert await cluster.terminated(two.process) == 0
        three = await cluster.host("three")
        await cluster.until_logged(three, "database.busy")
        await asyncio.sleep(65)
    finally:
        await asyncio.to_thread(server.start)
    await all_is_stored_once(cluster)
    for host in (one, three):
        await cluster.until_logged(host, "database.free")
        assert await cluster.terminated(host.process) == 0
        assert begins_and_ends(host) == (1, 1)
