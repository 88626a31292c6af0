"""Daemons that are killed, and stopped beyond their lease, at random: nothing lost, double or damaged."""

import os
import random
from pathlib import Path

import pytest
from tests.app.cluster.chaos import Chaos, standing_orders, with_faults
from tests.app.cluster.cluster_rig import scenes
from tests.app.cluster.conftest import Clustered
from tests.databases import new_database

pytestmark = pytest.mark.long

HOSTS = ("one", "two", "three", "four")
DELIVERIES = 250
SIZE = 400_000
SEEDS = range(int(os.environ.get("SEEDS", "10")))


@pytest.mark.parametrize("seed", SEEDS)
async def test_hosts_that_are_killed_and_stopped_lose_nothing_and_store_and_place_nothing_twice(
    seed: int, clustered: Clustered
) -> None:
    cluster = await clustered(with_faults(scenes(DELIVERIES, SIZE, "150 kB")), standing_orders())
    damage = await Chaos(cluster, random.Random(seed)).play(*HOSTS)
    print(f"seed {seed}, four hosts: {damage}")  # noqa: T201 - the result of a long test
    assert damage.is_none


@pytest.mark.parametrize("seed", SEEDS[:3])
async def test_the_only_host_of_a_file_that_is_killed_and_stopped_loses_nothing(
    seed: int, clustered: Clustered, tmp_path: Path
) -> None:
    scenario = with_faults(scenes(DELIVERIES // 2, SIZE, "150 kB"))
    cluster = await clustered(scenario, standing_orders(), new_database(tmp_path / "state"))
    damage = await Chaos(cluster, random.Random(seed)).play("only")
    print(f"seed {seed}, one host on SQLite: {damage}")  # noqa: T201 - as above
    assert damage.is_none
