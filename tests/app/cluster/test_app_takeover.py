"""The download of a host that ends goes on elsewhere, soon, and from the bytes that it had."""

import asyncio
import signal

import pytest
from tests.app.app_rig import sha256
from tests.app.cluster.cluster_rig import LEASE_SECONDS, Cluster, scenes
from tests.app.cluster.conftest import Clustered

from orderwatch.simulator.journal import Entry

pytestmark = pytest.mark.long

SIZE = 3_000_000


@pytest.mark.parametrize(
    ("how", "seconds"),
    [(signal.SIGTERM, 2.0), (signal.SIGKILL, LEASE_SECONDS + 5), (signal.SIGSTOP, LEASE_SECONDS + 5)],
)
async def test_the_download_of_a_host_that_ends_goes_on_elsewhere_in_time(
    how: int, seconds: float, clustered: Clustered
) -> None:
    cluster = await clustered(scenes(1, SIZE, "400 kB"))
    waited, again = await interrupted(cluster, how)
    assert waited <= seconds
    assert again.range is not None
    assert int(again.range.removeprefix("bytes=").removesuffix("-")) > 0
    [stored] = await cluster.until_stored(1)
    assert {stored["scene_id"]: sha256(cluster.tree / stored["path"])} == await cluster.truth()


async def interrupted(cluster: Cluster, how: int) -> tuple[float, Entry]:
    """End the host that downloads; return the seconds until the download goes on, and its request."""
    first = await cluster.host("first")
    await cluster.until_downloads(1)
    second = await cluster.host("second")
    await cluster.until_logged(second, "daemon.started")
    await asyncio.sleep(1.5)  # some bytes are durable then
    ended_at = cluster.simulator.seconds()
    first.process.send_signal(how)
    await cluster.until_downloads(2)
    again = cluster.simulator.journal.find(listener="download")[1]
    return again.at - ended_at, again
