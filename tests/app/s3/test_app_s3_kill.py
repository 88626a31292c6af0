"""A daemon that is killed at any request to the object store."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from aiohttp import web
from tests.app.s3.bucket_kit import Home
from tests.app.s3.conftest import Homed
from tests.app.upkeep_kit import scenario
from tests.forks import Running
from tests.object_store import Server
from tests.store_proxy import CutError, Proxy, Seen, never, proxying

from orderwatch.simulator.scenario import Scene
from orderwatch.transfer.s3.conditions import PROBE
from orderwatch.transfer.s3.sweeping import abort_stale_uploads

LARGE = "9 MB"  # in two parts
_LEAST_REQUESTS = 5  # two of the marker, one of the uploads, two of the delivery

pytestmark = pytest.mark.long


@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("size", ["20 kB", LARGE])
async def test_a_daemon_that_is_killed_at_any_request_of_a_delivery_delivers_it_once(
    homed: Homed, bucket_server: Server, size: str, *, is_answered: bool
) -> None:
    home = await homed(scenario(Scene(size=size)))
    async with proxying(bucket_server) as proxy:
        home.configure(endpoint=proxy.endpoint)
        for at in count(1):

            def is_reached(seen: Seen, at: int = at) -> bool:
                of_delivery = [one for one in proxy.seen if PROBE not in one.path]
                return len(of_delivery) == at and (seen.number, seen.is_answered) == (
                    of_delivery[-1].number,
                    is_answered,
                )

            if await _killed(home, proxy, is_reached) == 0:
                break
            assert (await home.rig.call("once")).code == 0
            await _assert_delivered_once(home)
            await home.forget_everything()
        assert at > _LEAST_REQUESTS
        await _assert_delivered_once(home)


async def test_an_upload_of_a_killed_start_is_left_until_the_sweep(
    homed: Homed, bucket_server: Server
) -> None:
    home = await homed(scenario(Scene(size="20 kB")))
    async with proxying(bucket_server) as proxy:
        home.configure(endpoint=proxy.endpoint)
        assert await _killed(home, proxy, lambda seen: seen.kind == "part") == -signal.SIGKILL
        assert (await home.rig.call("once")).code == 0
    async with home.bucket() as bucket:
        assert [PROBE in upload.path async for upload in bucket.uploads()] == [True]
    await _assert_delivered_once(home)


async def _killed(home: Home, proxy: Proxy, is_reached: Callable[[Seen], bool]) -> int:
    """Run a daemon that is killed at this request; return how it ended."""
    running: list[Running] = []

    async def kill(seen: Seen) -> web.Response | None:
        if is_reached(seen):
            running[0].send_signal(signal.SIGKILL)
            raise CutError
        return None

    proxy.seen.clear()
    proxy.meddle = kill
    running.append(await home.rig.start("once"))
    code = await home.rig.ended(running[0])
    proxy.meddle = never
    return code


async def _assert_delivered_once(home: Home) -> None:
    """Nothing is lost, stored twice or wrong, and the sweep leaves no upload."""
    async with home.bucket() as bucket:
        await abort_stale_uploads(bucket, datetime.now(UTC) + timedelta(days=2))
    await home.assert_whole()
    moves = await home.rig.history(7)
    assert [m["after"] for m in moves if m["subject"] == "delivery"].count("stored") == 1
