"""Publishing into a real object store: once, right, and never over another object."""

import asyncio
import tracemalloc
import zlib
from pathlib import Path

import pytest
from tests.transfer.s3.s3_kit import LARGE, OTHERS_SIDECAR, PATH, SIDECAR, Rig, content_of

from orderwatch.errors import DiskError, LostBytesError
from orderwatch.ports import Publishable
from orderwatch.transfer.s3.upload import MAX_PARTS, PART_BYTES, Reader, Sender, part_sizes

BOTH = {PATH, f"{PATH}.json"}
SIZES = pytest.mark.parametrize("size", [pytest.param(0, marks=pytest.mark.long), 1000, LARGE])


@SIZES
async def test_a_file_and_its_sidecar_are_published(rig: Rig, size: int) -> None:
    assert await rig.publish(size)
    assert await rig.paths() == BOTH
    assert await rig.content(PATH) == content_of(size)
    assert await rig.content(f"{PATH}.json") == SIDECAR
    assert await rig.uploads() == 0


@SIZES
async def test_what_was_published_before_a_crash_is_adopted(rig: Rig, size: int) -> None:
    assert await rig.publish(size)
    before = await rig.bucket.head(PATH)
    later = SIDECAR.replace(b"}", b', "stored_at": "later"}')
    assert await rig.publish(size, resumed=True, sidecar=later)
    assert await rig.bucket.head(PATH) == before
    assert await rig.content(f"{PATH}.json") == later
    assert await rig.paths() == BOTH


@SIZES
async def test_an_object_of_somebody_else_is_never_overwritten(rig: Rig, size: int) -> None:
    await rig.put(PATH, b"of somebody else")
    assert not await rig.publish(size)
    assert await rig.content(PATH) == b"of somebody else"
    assert await rig.paths() == {PATH}
    assert await rig.uploads() == 0


@SIZES
async def test_a_sidecar_of_another_delivery_is_never_overwritten(rig: Rig, size: int) -> None:
    await rig.put(f"{PATH}.json", OTHERS_SIDECAR)
    assert not await rig.publish(size)
    assert await rig.content(f"{PATH}.json") == OTHERS_SIDECAR
    assert await rig.paths() == {f"{PATH}.json"}
    assert await rig.uploads() == 0


async def test_the_sidecar_of_an_earlier_attempt_is_replaced(rig: Rig) -> None:
    await rig.put(f"{PATH}.json", SIDECAR.replace(b"}", b', "size": 1}'))
    assert await rig.publish(LARGE)
    assert await rig.content(f"{PATH}.json") == SIDECAR


async def test_uploads_of_earlier_attempts_are_aborted_and_those_of_other_files_stay(rig: Rig) -> None:
    await rig.bucket.create_upload(PATH, "0")
    await rig.bucket.create_upload(f"{PATH}.other", "0")
    assert await rig.publish(LARGE)
    assert [upload.path async for upload in rig.bucket.uploads()] == [f"{PATH}.other"]


async def test_bytes_that_changed_after_their_verification_are_not_published(rig: Rig) -> None:
    for size in (1000, LARGE):
        part, checked = rig.partial(size)
        (rig.destination.partials / part).write_bytes(b"x" * size)
        with pytest.raises(LostBytesError, match="changed"):
            await rig.destination.publish(part, PATH, SIDECAR, checked)
    assert await rig.paths() == set()
    assert await rig.uploads() == 0


async def test_a_missing_partial_is_fetched_again(rig: Rig) -> None:
    part, checked = rig.partial(1000)
    await rig.destination.discard(part)
    with pytest.raises(LostBytesError, match="missing"):
        await rig.destination.publish(part, PATH, SIDECAR, checked, resumed=True)


async def test_two_attempts_at_once_publish_one_right_file(rig: Rig) -> None:
    """As if a host that was stopped went on while another one does its work."""
    part, checked = rig.partial(LARGE)
    publish = rig.destination.publish
    done = await asyncio.gather(
        *(publish(part, PATH, SIDECAR, checked) for _ in range(2)), return_exceptions=True
    )
    assert True in done
    assert await rig.content(PATH) == content_of(LARGE)
    assert await rig.uploads() == 0


async def test_many_small_files_are_published_together(rig: Rig) -> None:
    files = []
    for number in range(40):
        part, checked = rig.partial(number * 100, f"{number}.part")
        files.append(Publishable(part, f"{PATH}-{number}", SIDECAR, checked))
    await rig.put(f"{PATH}-7", b"of somebody else")
    done = await rig.destination.publish_all(files)
    assert [number for number, is_done in enumerate(done) if not is_done] == [7]
    assert await rig.content(f"{PATH}-39") == content_of(3900)


async def test_keys_may_have_any_printable_character(rig: Rig) -> None:
    part, checked = rig.partial(1000)
    path = "Größe (1) +x=@, 日本/a b&c'%41;#?.zip"
    assert await rig.destination.publish(part, path, SIDECAR, checked)
    assert await rig.paths() == {path, f"{path}.json"}
    assert await rig.destination.holds(path, checked)


async def test_other_bytes_than_were_sent_are_refused_by_the_store(rig: Rig) -> None:
    with pytest.raises(DiskError, match="other bytes arrived"):
        await rig.bucket.put("some", b"content", crc=1)
    upload = await rig.bucket.create_upload(PATH, "0")
    part = await rig.bucket.send_part(PATH, upload, 1, b"", crc=0)
    with pytest.raises(DiskError, match="other bytes arrived"):
        await rig.bucket.complete(PATH, upload, [part], crc=1)
    assert await rig.paths() == set()


async def test_whole_files_and_parts_share_the_room_in_memory(tmp_path: Path) -> None:
    path, sender, held = tmp_path / "file", Sender(), 0
    path.write_bytes(bytes(PART_BYTES))
    is_full = asyncio.Event()

    async def hold(_: int) -> None:
        nonlocal held
        async with sender.reading(Reader(path), PART_BYTES):
            held += 1
            assert held <= 8
            if held == 8:
                is_full.set()
            await is_full.wait()
            held -= 1

    await asyncio.gather(*map(hold, range(12)))
    assert held == 0


async def test_bytes_are_sent_without_a_copy_of_them(rig: Rig) -> None:
    content = bytes(PART_BYTES)
    tracemalloc.start()
    try:
        await rig.bucket.put(PATH, content, zlib.crc32(content))
        assert tracemalloc.get_traced_memory()[1] < PART_BYTES // 2
    finally:
        tracemalloc.stop()


def test_a_file_has_at_most_ten_thousand_parts() -> None:
    for size in (PART_BYTES + 1, MAX_PARTS * PART_BYTES, MAX_PARTS * PART_BYTES + 1, 5 * 2**40):
        parts = list(part_sizes(size))
        assert sum(parts) == size
        assert len(parts) <= MAX_PARTS
        assert set(parts[:-1]) == {parts[0]}
    assert list(part_sizes(0)) == []
