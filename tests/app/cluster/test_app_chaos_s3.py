"""The same chaos with deliveries in S3: nothing lost, double or damaged."""

import random
from pathlib import Path

import pytest
from tests.app.cluster.chaos import Chaos, standing_orders, with_faults
from tests.app.cluster.cluster_rig import scenes
from tests.app.cluster.conftest import Clustered
from tests.app.cluster.test_app_chaos import HOSTS, SEEDS
from tests.app.cluster.trees import BucketTree
from tests.object_store import Server

pytestmark = pytest.mark.long

DELIVERIES = 40
SIZE = 9_000_000  # two parts


@pytest.fixture
def tree(bucket_server: Server) -> BucketTree:
    return BucketTree(bucket_server)


@pytest.mark.parametrize("seed", SEEDS[:1])
async def test_hosts_that_are_killed_and_stopped_put_each_file_into_s3_once(
    seed: int, clustered: Clustered, tree: BucketTree, tmp_path: Path
) -> None:
    scenario = with_faults(scenes(DELIVERIES, SIZE, "4 MB"))
    cluster = await clustered(scenario, f"{standing_orders()}\n{tree.settings}")
    cluster.environment["STATE_DIRECTORY"] = str(tmp_path / "state")  # of the spools
    damage = await Chaos(cluster, random.Random(seed)).play(*HOSTS)
    print(f"seed {seed}, four hosts and S3: {damage}")  # noqa: T201 - the result of a long test
    assert damage.is_none
    assert await tree.uploads_after_the_sweep() == 0
