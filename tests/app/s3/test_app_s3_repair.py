"""What is wrong in a bucket is found, and mended from the provider."""

import json
import zlib
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from structlog.testing import LogCapture
from tests.app.s3.conftest import Homed
from tests.app.upkeep_kit import scenario
from tests.logs import events

from orderwatch.app.daemon.maintenance import MaintenanceTargets, build_maintenance
from orderwatch.app.daemon.resources import open_resources
from orderwatch.app.daemon.runtime import RuntimeBuilder
from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.ops.log import Redactor
from orderwatch.service.clock import utc_now
from orderwatch.transfer.s3.bucket import Bucket

__all__ = ["events"]

MANY_BYTES = "1 TB"  # in a week: each run reads everything

pytestmark = pytest.mark.long


async def test_wrong_and_missing_objects_are_found_and_downloaded_again(homed: Homed) -> None:
    home = await homed(scenario())
    assert (await home.rig.call("once")).code == 0
    first, second = [d["path"] for d in await home.rig.deliveries()]
    async with home.bucket() as bucket:
        await _replace(bucket, first, b"of another program")
        await bucket.delete(second)
        await bucket.delete(f"{second}.json")
    found = await home.rig.call("verify", "--json")
    kinds = {finding["kind"] for finding in json.loads(found.out)["findings"]}
    assert (found.code, kinds) == (1, {"changed", "missing"}), found
    mended = await home.rig.call("verify", "--repair")
    assert (mended.code, mended.out.count("downloaded again")) == (0, 2), mended
    await home.assert_whole()
    kept = [path.read_bytes() for path in (home.spool / "quarantine").glob("*.zip")]
    assert kept == [b"of another program"]
    assert (await home.rig.call("verify", "--whole")).code == 0


async def test_the_scrub_reads_objects_and_reports_other_bytes_under_the_same_metadata(
    homed: Homed, events: LogCapture
) -> None:
    """Only a whole look finds them: size and SHA-256 of the metadata are right."""
    home = await homed(scenario())
    home.configure(delivery=f'scrub = "{MANY_BYTES}"')
    assert (await home.rig.call("once")).code == 0
    path = (await home.rig.deliveries())[0]["path"]
    async with home.bucket() as bucket:
        whole, found = await bucket.read(path, 2**30), await bucket.head(path)
        assert whole is not None
        assert found is not None
        spoilt = bytes(len(whole[0]))
        await bucket.delete(path)
        await bucket.put(path, spoilt, zlib.crc32(spoilt), sha256=found.sha256)
    assert (await home.rig.call("verify")).code == 0
    async with AsyncExitStack() as stack:
        wanted = resolve(load(home.rig.config))
        resources = await stack.enter_async_context(open_resources(wanted, Redactor()))
        tree = await RuntimeBuilder(resources, wanted, stack).tree(wanted.roots[None])
        world = MaintenanceTargets(resources.store, resources.store, {None: tree}, {}, resources.clock)
        scrub = build_maintenance(wanted, world).maintenance.scrub
        await scrub.run(utc_now())
        await scrub.run(utc_now() + timedelta(days=7))
    damaged = [event for event in events.entries if event["event"] == "tree.damaged"]
    assert [path in str(event) for event in damaged] == [True]


async def _replace(bucket: Bucket, path: str, content: bytes) -> None:
    await bucket.delete(path)
    await bucket.put(path, content, zlib.crc32(content))
