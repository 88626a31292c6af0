"""A daemon whose object store is away, is another one, or would overwrite objects."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from tests.app.s3.bucket_kit import EVERYTHING
from tests.app.s3.conftest import Homed
from tests.app.upkeep_kit import scenario
from tests.object_store import KEY, SECRET, Server
from tests.store_proxy import CutError, Proxy, Seen, error, proxying

from orderwatch.simulator.scenario import Scene

LARGE = "9 MB"  # in two parts
_TWO_ROOTS = f"""{EVERYTHING}
[watch.delivery]
root = "{{folder}}"
"""


@pytest.fixture
async def proxy(bucket_server: Server) -> AsyncIterator[Proxy]:
    async with proxying(bucket_server) as proxy:
        yield proxy


async def _ignores_conditions(seen: Seen) -> web.Response | None:
    return web.Response(headers={"ETag": '"0"'}) if seen.kind == "put" else None


async def test_a_store_that_would_overwrite_is_refused_at_the_start(homed: Homed, proxy: Proxy) -> None:
    home = await homed(scenario())
    home.configure(endpoint=proxy.endpoint)
    proxy.meddle = _ignores_conditions
    checked = await home.rig.call("check", "--online")
    assert checked.code == 1
    assert f"destination {home.root}: the store of {home.root} ignores If-None-Match on a PUT" in checked.err
    ended = await home.rig.call("run")
    assert (ended.code, "ignores If-None-Match" in ended.err) == (2, True), ended
    assert await home.objects() == {}


@pytest.mark.long
async def test_a_store_that_is_away_is_one_problem_and_everything_arrives_when_it_is_back(
    homed: Homed, proxy: Proxy
) -> None:
    home = await homed(scenario(Scene(size="20 kB"), Scene(size=LARGE)))
    home.configure(endpoint=proxy.endpoint)

    async def away(_: Seen) -> web.Response | None:
        raise CutError

    proxy.meddle = away
    daemon = await home.rig.start("run")
    await home.rig.until(lambda found: [d["state"] for d in found] == ["parked"] * 2)

    async def slow_down(seen: Seen) -> web.Response | None:
        return error(503, "SlowDown") if seen.number % 7 == 0 else None

    proxy.meddle = slow_down
    await home.rig.until_stored(2)
    assert await home.rig.terminated(daemon) == 0
    await home.assert_whole()
    events = [e["event"] for e in home.rig.events()]
    assert (events.count("tree.unusable"), events.count("tree.usable")) == (1, 1)
    log = home.rig.log.read_text(encoding="utf-8")
    assert not any(secret in log for secret in (KEY, SECRET, "canary-in-the-message", "X-Amz-Signature"))


@pytest.mark.long
async def test_one_root_that_is_away_stops_no_other(homed: Homed, proxy: Proxy) -> None:
    home = await homed(scenario())
    watch = _TWO_ROOTS.format(folder=home.rig.tree)
    home.configure(watch, endpoint=proxy.endpoint)

    async def away(_: Seen) -> web.Response | None:
        raise CutError

    proxy.meddle = away
    await home.rig.start("run")
    stored = await home.rig.until_stored(2)
    assert {d["path"] for d in stored} == {str(p.relative_to(home.rig.tree)) for p in home.rig.zips()}
    assert "tree.unusable" in {e["event"] for e in home.rig.events()}


@pytest.mark.long
async def test_another_bucket_than_before_is_a_problem(homed: Homed) -> None:
    home = await homed(scenario())
    assert (await home.rig.call("once")).code == 0
    async with home.bucket() as bucket:
        await bucket.delete(".orderwatch/volume")
    ended = await home.rig.call("check", "--online")
    assert "is not the delivery tree of this database: the marker is missing" in ended.err
