"""What looks after a tree in a bucket: marker, sweeping, inspection, quarantine, the catalog."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from tests.object_store import Server
from tests.store_proxy import Seen, error, listed, proxying
from tests.transfer.s3.s3_kit import PATH, SIDECAR, Rig, content_of

from orderwatch.core.deliveries.audit import Reading
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.model import Delivery
from orderwatch.core.stac import MARK
from orderwatch.errors import DiskError, LostBytesError
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS
from orderwatch.transfer.s3.catalog_files import S3CatalogFiles
from orderwatch.transfer.s3.client import open_buckets
from orderwatch.transfer.s3.destination import S3Destination
from orderwatch.transfer.s3.inspector import S3Inspector
from orderwatch.transfer.s3.marker import Marker
from orderwatch.transfer.s3.sweeping import abort_stale_uploads
from orderwatch.transfer.s3.upload import Sender


async def test_a_tree_gets_one_marker(rig: Rig) -> None:
    assert await rig.destination.volume() is None
    marker = await rig.destination.mark()
    assert await rig.destination.mark() == marker
    assert await Marker(rig.bucket).read() == marker
    assert await rig.paths() == set()


async def test_a_store_that_is_away_is_looked_at_in_the_background(rig: Rig, bucket_server: Server) -> None:
    """Only the first look is waited for, and a later one notices that the store is back."""
    seconds, answers = [0.0], [error(403, "AccessDenied")]

    async def meddle(_: Seen) -> web.Response | None:
        return error(403, "AccessDenied") if answers else None

    async with proxying(bucket_server) as proxy, open_buckets(proxy.access) as bucket:
        marker = Marker(bucket(rig.bucket.root), lambda: seconds[0])
        proxy.meddle = meddle
        for _ in range(3):
            with pytest.raises(DiskError, match="lack a right"):
                await marker.read()
        assert len(proxy.seen) == 1
        answers.clear()
        seconds[0] += 20
        with pytest.raises(DiskError):
            await marker.read()
        while marker._looking is not None:
            await asyncio.wait([marker._looking])
        assert await marker.read() is None
        assert len(proxy.seen) == 2
        await marker.close()


async def test_an_upload_that_still_receives_parts_is_not_aborted(rig: Rig, bucket_server: Server) -> None:
    """Another host may send a large file for longer than a day."""
    upload = await rig.bucket.create_upload(PATH, "0")

    async def begun_long_ago(seen: Seen) -> web.Response | None:
        begun = datetime.now(UTC) - timedelta(days=2)
        key = rig.bucket.root.key(PATH)
        return listed(key, upload, begun) if "uploads" in seen.query else None

    async with proxying(bucket_server) as proxy, open_buckets(proxy.access) as bucket:
        proxy.meddle = begun_long_ago
        behind = bucket(rig.bucket.root)
        await rig.bucket.send_part(PATH, upload, 1, b"", crc=0)
        assert await abort_stale_uploads(behind, datetime.now(UTC)) == 0
        assert await rig.uploads() == 1
        assert await abort_stale_uploads(behind, datetime.now(UTC) + timedelta(days=1, minutes=1)) == 1
        assert await rig.uploads() == 0
        assert await abort_stale_uploads(behind, datetime.now(UTC)) == 0  # complete, or aborted meanwhile


async def test_uploads_of_yesterday_are_aborted_and_partials_that_no_row_knows_are_removed(rig: Rig) -> None:
    await rig.bucket.create_upload(PATH, "0")
    rig.partial(10, "0123.part")
    assert await rig.destination.sweep(()) == 1
    assert await rig.uploads() == 1
    rig.now[0] += timedelta(days=1, minutes=1)
    assert await rig.destination.sweep(()) == 1
    assert await rig.uploads() == 0


async def test_one_of_several_hosts_continues_only_a_verified_partial_of_its_own(rig: Rig) -> None:
    """The bytes that the row counts as durable may be in another host's spool."""
    one = S3Destination(
        rig.bucket, rig.spool, DEFAULT_PERMISSIONS, now=lambda: rig.now[0], sender=Sender(), has_others=True
    )
    before = Delivery(
        account="main", order_id="1", task_id=1, capture_id="c", scene_id="s", attachment="preview",
        file_name="s.png", fingerprint="s, first", fence=1,
    )  # fmt: skip
    rig.partial(1000, partial_name(before))
    now = replace(before, fence=2, durable=500)
    await one.adopt(partial_name(now), now)
    assert list(one.partials.iterdir()) == []  # else each attempt would leave one
    part, checked = rig.partial(1000, partial_name(now))
    now = replace(now, fence=3, path=PATH, size=checked.size, sha256=checked.sha256)
    await one.adopt(partial_name(now), now)
    assert await one.verify(partial_name(now), now) == checked
    assert not (one.partials / part).exists()
    with pytest.raises(LostBytesError, match="not in this host's spool"):
        await one.verify(part, now)


@pytest.mark.parametrize("is_whole", [True, False])
async def test_an_inspection_tells_what_is_there(rig: Rig, *, is_whole: bool) -> None:
    inspector = S3Inspector(rig.bucket, rig.spool, is_whole=is_whole)
    assert "is no object" in (await inspector.absence() or "")
    _, checked = rig.partial(1000)
    assert await rig.publish(1000)
    await rig.put("elsewhere/other.zip", b"x")
    assert await inspector.absence() is None
    read: list[int] = []
    found = await inspector.read(PATH, 1000, read.append)
    assert found == Reading(size=1000, sha256=checked.sha256)
    assert sum(read) == (1000 if is_whole else 0)
    assert await inspector.read(PATH, 999, read.append) == Reading(size=1000)
    assert await inspector.read("nothing", 1, read.append) == Reading()
    assert await inspector.read_sidecar(f"{PATH}.json") == (SIDECAR, None)
    assert await inspector.read_sidecar("nothing.json") == (None, None)
    walked = await inspector.walk(["elsewhere"])
    assert walked.files == {PATH: 1000, f"{PATH}.json": len(SIDECAR)}


async def test_an_object_without_a_stored_checksum_is_read_whole(rig: Rig) -> None:
    _, checked = rig.partial(1000)
    await rig.put(PATH, content_of(1000))
    inspector = S3Inspector(rig.bucket, rig.spool, is_whole=False)
    assert await inspector.read(PATH, 1000, lambda _: None) == Reading(size=1000, sha256=checked.sha256)


async def test_a_wrong_object_is_kept_in_the_quarantine_of_this_machine(rig: Rig) -> None:
    await rig.put(PATH, b"wrong")
    inspector = S3Inspector(rig.bucket, rig.spool)
    await inspector.quarantine(PATH, "changed: its sha256 differs")
    assert await rig.paths() == set()
    folder = rig.spool / ".orderwatch" / "quarantine"
    assert (folder / "scene.zip").read_bytes() == b"wrong"
    assert f"was {rig.bucket.root}/{PATH}" in (folder / "scene.zip.reason.txt").read_text(encoding="utf-8")
    await inspector.quarantine(PATH, "again")
    await inspector.write_sidecar(f"{PATH}.json", SIDECAR, "some")
    with pytest.raises(DiskError, match="meanwhile"):
        await inspector.write_sidecar(f"{PATH}.json", SIDECAR, "some")


async def test_an_object_that_changes_at_the_last_moment_is_not_deleted(
    rig: Rig, bucket_server: Server
) -> None:
    async def change(seen: Seen) -> web.Response | None:
        if seen.kind == "delete" and not seen.is_answered:
            await rig.put(PATH, b"another")
        return None

    await rig.put(PATH, b"wrong")
    async with proxying(bucket_server) as proxy, open_buckets(proxy.access) as bucket:
        proxy.meddle = change
        with pytest.raises(DiskError, match="meanwhile"):
            await S3Inspector(bucket(rig.bucket.root), rig.spool).quarantine(PATH, "changed")
        page = "stac/catalog.0.json"
        files = S3CatalogFiles(bucket(rig.bucket.root))
        await files.write({page: {MARK: 1}})

        async def replace(seen: Seen) -> web.Response | None:
            if seen.kind == "delete" and not seen.is_answered:
                await rig.put(page, b"another")
            return None

        proxy.meddle = replace
        await files.remove([page])
    assert await rig.content(PATH) == b"another"
    assert await rig.content(page) == b"another"


async def test_the_catalog_is_written_over_its_own_objects_only(rig: Rig) -> None:
    files, page, other = S3CatalogFiles(rig.bucket), "stac/catalog.0.json", "stac/catalog.1.json"
    await files.write({page: {MARK: 1, "n": 1}, other: {MARK: 1}})
    await files.write({page: {MARK: 1, "n": 2}})
    await files.create({page: {MARK: 1, "n": 3}})
    assert b'"n": 2' in (await rig.content(page) or b"")
    assert await files.other_files([page]) == [other]
    await files.remove([other, "stac/catalog.2.json"])
    assert await rig.paths() == {page}
    await rig.put("catalog.json", b"of somebody else")
    with pytest.raises(DiskError, match="is not a catalog file"):
        await files.write({"catalog.json": {MARK: 1}})
    await files.remove(["catalog.json"])
    assert await rig.content("catalog.json") == b"of somebody else"
