"""Publishing while answers are lost, requests are refused, and the process ends at any step."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from tests.object_store import KEY, SECRET, Server
from tests.store_proxy import CutError, Proxy, Seen, error, never, proxying
from tests.transfer.s3.s3_kit import LARGE, PATH, SIDECAR, Rig, content_of

from orderwatch.errors import DiskError, LostLeaseError, UnsafeStoreError
from orderwatch.transfer.s3.client import open_buckets

BOTH = {PATH, f"{PATH}.json"}
LONG = pytest.param(LARGE, marks=pytest.mark.long)
SIZES = pytest.mark.parametrize("size", [1000, LONG])


@pytest.fixture
async def proxy(bucket_server: Server) -> AsyncIterator[Proxy]:
    async with proxying(bucket_server) as proxy:
        yield proxy


@pytest.fixture
async def rig(bucket_server: Server, proxy: Proxy, tmp_path: Path) -> AsyncIterator[Rig]:
    """A destination behind the proxy."""
    async with open_buckets(proxy.access) as bucket:
        rig = Rig(bucket(bucket_server.new_root()), tmp_path / "spool", now=[datetime.now(UTC)])
        await rig.destination.prepare()
        proxy.seen.clear()
        yield rig
        await rig.destination.close()


async def _assert_published(rig: Rig) -> None:
    assert await rig.paths() == BOTH
    assert await rig.content(PATH) == content_of(len(await rig.content(PATH) or b""))
    assert await rig.content(f"{PATH}.json") == SIDECAR
    assert await rig.uploads() == 0


async def _empty(rig: Rig) -> None:
    for path in await rig.paths():
        await rig.bucket.delete(path)
    async for upload in rig.bucket.uploads():
        await rig.bucket.abort(upload.path, upload.id)


async def _requests_of(rig: Rig, proxy: Proxy, size: int) -> int:
    proxy.seen.clear()
    assert await rig.publish(size)
    count = len(proxy.seen)
    await _empty(rig)
    return count


@SIZES
@pytest.mark.parametrize("is_answered", [False, True])
async def test_an_attempt_that_ends_at_any_request_is_repeated_to_the_same_file(
    rig: Rig, proxy: Proxy, size: int, *, is_answered: bool
) -> None:
    for at in range(1, await _requests_of(rig, proxy, size) + 1):
        attempt = asyncio.create_task(rig.publish(size))

        async def end(seen: Seen, at: int = at, attempt: asyncio.Task[bool] = attempt) -> web.Response | None:
            if (seen.number, seen.is_answered) == (at, is_answered):
                attempt.cancel()
                raise CutError
            return None

        proxy.seen.clear()
        proxy.meddle = end
        with suppress(asyncio.CancelledError):
            await attempt
        assert attempt.cancelled()
        assert await rig.publish(size, resumed=True)
        await _assert_published(rig)
        await _empty(rig)


@pytest.mark.long
@SIZES
@pytest.mark.parametrize("is_answered", [False, True])
async def test_a_lost_answer_to_any_request_changes_nothing(
    rig: Rig, proxy: Proxy, size: int, *, is_answered: bool
) -> None:
    for at in range(1, await _requests_of(rig, proxy, size) + 1):

        async def cut(seen: Seen, at: int = at) -> web.Response | None:
            if (seen.number, seen.is_answered) == (at, is_answered):
                raise CutError
            return None

        proxy.seen.clear()
        proxy.meddle = cut
        assert await rig.publish(size)
        rig.now[0] += timedelta(days=2)
        await rig.destination.sweep(())  # an upload whose creation was not answered
        await _assert_published(rig)
        await _empty(rig)


@pytest.mark.long
async def test_a_completion_whose_answer_is_lost_each_time_is_found_by_a_look(rig: Rig, proxy: Proxy) -> None:
    async def cut(seen: Seen) -> web.Response | None:
        if seen.kind == "complete" and seen.is_answered:
            return error(500, "InternalError")
        return None

    proxy.meddle = cut
    assert await rig.publish(LARGE)
    await _assert_published(rig)


@pytest.mark.parametrize(("status", "code"), [(409, "ConditionalRequestConflict"), (404, "NoSuchUpload")])
async def test_a_completion_that_lost_a_race_is_begun_again(
    rig: Rig, proxy: Proxy, status: int, code: str
) -> None:
    async def refuse_once(seen: Seen) -> web.Response | None:
        completions = [one for one in proxy.seen if one.kind == "complete"]
        return error(status, code) if seen.kind == "complete" and len(completions) == 1 else None

    proxy.meddle = refuse_once
    assert await rig.publish(LARGE)
    await _assert_published(rig)


async def test_an_upload_that_another_attempt_aborts_is_begun_again(rig: Rig, proxy: Proxy) -> None:
    async def abort(seen: Seen) -> web.Response | None:
        if seen.kind == "part" and len([one for one in proxy.seen if one.kind == "part"]) == 1:
            async for upload in rig.bucket.uploads(PATH):
                await rig.bucket.abort(upload.path, upload.id)
        return None

    proxy.meddle = abort
    assert await rig.publish(LARGE)
    await _assert_published(rig)


@pytest.mark.parametrize("size", [1000, LARGE])
async def test_an_object_that_appears_at_the_last_moment_is_not_overwritten(
    rig: Rig, proxy: Proxy, size: int
) -> None:
    async def appear(seen: Seen) -> web.Response | None:
        is_last = seen.kind == "complete" or (seen.kind == "put" and not seen.path.endswith(".json"))
        if is_last and not seen.is_answered and "/other" not in seen.path:
            proxy.meddle = never
            await rig.put(PATH, b"of somebody else")
        return None

    proxy.meddle = appear
    assert not await rig.publish(size)
    assert await rig.content(PATH) == b"of somebody else"
    assert await rig.paths() == {PATH}
    assert await rig.uploads() == 0


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_sidecar_is_removed_only_under_the_lease_and_if_nobody_has_replaced_it(
    rig: Rig, proxy: Proxy, *, is_replaced: bool
) -> None:
    """The name is taken at the last moment, while another host takes over the delivery."""
    by_another_host = SIDECAR.replace(b"}", b', "stored_at": "later"}')
    is_mine = [True]

    async def take(seen: Seen) -> web.Response | None:
        if seen.kind == "put" and not seen.is_answered and not seen.path.endswith(".json"):
            proxy.meddle = never
            await rig.put(PATH, b"of somebody else")
            is_mine[0] = is_replaced
            if is_replaced:
                await rig.put(f"{PATH}.json", by_another_host)
        return None

    proxy.meddle = take
    part, checked = rig.partial(1000)
    publish = rig.destination.publish(part, PATH, SIDECAR, checked, may_act=lambda: is_mine[0])
    if is_replaced:
        assert not await publish
    else:
        with pytest.raises(LostLeaseError):
            await publish
    assert await rig.content(f"{PATH}.json") == (by_another_host if is_replaced else SIDECAR)


@SIZES
async def test_a_host_whose_lease_is_over_publishes_nothing(rig: Rig, size: int) -> None:
    for number in range(1, 9):
        asked: list[None] = []

        def may_act(asked: list[None] = asked, number: int = number) -> bool:
            asked.append(None)
            return len(asked) < number

        part, checked = rig.partial(size)
        try:
            assert await rig.destination.publish(part, PATH, SIDECAR, checked, may_act=may_act)
        except LostLeaseError:
            assert PATH not in await rig.paths()
            await _empty(rig)
        else:
            assert number > 2
            return
    raise AssertionError("it never published")


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (403, "AccessDenied", "the credentials lack a right"),
        (403, "RequestTimeTooSkewed", "this host's clock differs"),
        (403, "InvalidAccessKeyId", "the access key is not known"),
        pytest.param(404, "NoSuchBucket", "there is no such bucket", marks=pytest.mark.long),
        pytest.param(418, "<script>", "418", marks=pytest.mark.long),
    ],
)
async def test_a_refusal_is_explained_without_a_word_of_the_store(
    rig: Rig, proxy: Proxy, status: int, code: str, reason: str
) -> None:
    async def refuse(_: Seen) -> web.Response | None:
        return error(status, code)

    proxy.meddle = refuse
    with pytest.raises(DiskError, match=reason) as caught:
        await rig.publish(1000)
    with pytest.raises(DiskError, match=str(status)) as of_head:
        await rig.publish(LARGE)
    text = f"{caught.value} {of_head.value}"
    assert not any(word in text for word in ("canary", KEY, SECRET, "script", "X-Amz"))


@pytest.mark.parametrize("kind", ["put", "complete"])
async def test_a_store_that_ignores_the_condition_is_refused(rig: Rig, proxy: Proxy, kind: str) -> None:
    async def ignore(seen: Seen) -> web.Response | None:
        return web.Response(headers={"ETag": '"0"'}, text=_DONE) if seen.kind == kind else None

    proxy.meddle = ignore
    with pytest.raises(UnsafeStoreError, match="ignores If-None-Match"):
        await rig.destination.prepare()


@pytest.mark.long
async def test_a_store_that_knows_no_checksums_of_whole_objects_is_used_without_them(
    rig: Rig, proxy: Proxy
) -> None:
    refused: list[Seen] = []

    async def refuse_first(seen: Seen) -> web.Response | None:
        if seen.kind == "create" and not refused:
            refused.append(seen)
            return error(400, "InvalidRequest")
        return None

    proxy.meddle = refuse_first
    await rig.destination.prepare()
    assert not rig.bucket.verifies_parts
    assert await rig.publish(LARGE)
    await _assert_published(rig)


_DONE = "<CompleteMultipartUploadResult><ETag>0</ETag></CompleteMultipartUploadResult>"
