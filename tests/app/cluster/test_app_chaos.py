"""Daemons that are killed, and stopped beyond their lease, at random: nothing lost, double or damaged."""

import asyncio
import random
import signal

import pytest
from tests import postgres
from tests.app.app_rig import sha256
from tests.app.cluster.cluster_rig import LEASE_SECONDS, Cluster, Host, scenes
from tests.app.cluster.conftest import Clustered

from orderwatch.core.database_location import PostgresServer

pytestmark = pytest.mark.long

HOSTS = ["one", "two", "three", "four"]
SIZE = 400_000


@pytest.mark.parametrize("seed", range(10))
async def test_hosts_that_are_killed_and_stopped_lose_nothing_and_store_nothing_twice(
    seed: int, clustered: Clustered, server: postgres.Server
) -> None:
    count = 250
    cluster = await clustered(scenes(count, SIZE, "150 kB"))
    draw = random.Random(seed)
    hosts = {name: await cluster.host(name) for name in HOSTS}
    await cluster.until_downloads(1)
    strikes = [signal.SIGKILL] * 6 + [signal.SIGSTOP] * 5
    draw.shuffle(strikes)
    resumed = []
    for how in strikes:
        await asyncio.sleep(draw.uniform(0.3, 1.5))
        resumed.append(asyncio.create_task(struck(cluster, hosts, draw, how)))
    await asyncio.gather(*resumed)
    stored = await cluster.until_stored(count)
    await all_is_well(cluster, stored_moves(server, cluster), {d["scene_id"]: d["path"] for d in stored})


async def struck(cluster: Cluster, hosts: dict[str, Host], draw: random.Random, how: int) -> None:
    """Strike one host; a killed one starts again, a stopped one goes on after its lease."""
    name = draw.choice(sorted(hosts))
    host = hosts[name]
    host.process.send_signal(how)
    if how == signal.SIGKILL:
        await host.process.wait()
        await asyncio.sleep(draw.uniform(0, 2))
        hosts[name] = await cluster.host(name)
        return
    await asyncio.sleep(LEASE_SECONDS * draw.uniform(1.2, 2.2))
    host.process.send_signal(signal.SIGCONT)


async def all_is_well(cluster: Cluster, moves: list[str], paths: dict[str, str]) -> None:
    truth = await cluster.truth()
    assert sorted(moves) == sorted(truth)  # each once
    assert {scene: sha256(cluster.tree / path) for scene, path in paths.items()} == truth
    assert len(cluster.zips()) == len(truth)


def stored_moves(server: postgres.Server, cluster: Cluster) -> list[str]:
    assert isinstance(cluster.database, PostgresServer)
    moves = server.sql(cluster.database.name, "SELECT scene_id FROM transitions WHERE after = 'stored'")
    return moves.split()
