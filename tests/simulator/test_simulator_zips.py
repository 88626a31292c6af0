import hashlib
import io
import struct
import zipfile

import pytest

from orderwatch.simulator.zips import BLOCK_BYTES, VirtualZip

SMALL = {"metadata.json": b'{"cloud_cover": 7}' * 9, "footprint.kml": b"<kml/>"}


def virtual(size: int, *, scene_id: str = "S", revision: int = 1) -> VirtualZip:
    return VirtualZip(scene_id, revision, size, SMALL)


@pytest.mark.parametrize(
    "size", [1000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 12_345]
)
def test_a_zip_has_exactly_the_wanted_size_and_every_member_is_whole(size: int) -> None:
    data = virtual(size).read(0, size + 1)
    assert len(data) == virtual(size).size == size
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("S/metadata.json") == SMALL["metadata.json"]
        methods = [member.compress_type for member in archive.infolist()]
    assert methods == [zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]


def test_a_size_too_small_for_the_headers_gives_the_smallest_valid_zip() -> None:
    tiny = virtual(1)
    with zipfile.ZipFile(io.BytesIO(tiny.read(0, tiny.size))) as archive:
        assert archive.testzip() is None


def test_any_part_is_the_same_as_in_the_whole() -> None:
    archive = virtual(2 * BLOCK_BYTES + 999)
    whole = archive.read(0, archive.size)
    for offset in (
        0,
        1,
        100,
        BLOCK_BYTES - 7,
        BLOCK_BYTES,
        2 * BLOCK_BYTES - 1,
        archive.size - 50,
        archive.size,
    ):
        for length in (0, 1, 60, BLOCK_BYTES + 3):
            assert archive.read(offset, length) == whole[offset : offset + length]
    assert archive.sha256() == hashlib.sha256(whole).hexdigest()


def test_blocks_scenes_and_revisions_differ() -> None:
    archive = virtual(6 * BLOCK_BYTES)
    blocks = {archive.read(number * BLOCK_BYTES, 4096) for number in range(1, 5)}
    others = {
        virtual(6 * BLOCK_BYTES, revision=2).read(BLOCK_BYTES, 4096),
        virtual(6 * BLOCK_BYTES, scene_id="T").read(BLOCK_BYTES, 4096),
    }
    assert len(blocks | others) == 6


def test_the_etag_names_the_revision() -> None:
    assert virtual(5000).etag == virtual(5000).etag
    assert virtual(5000).etag != virtual(5000, revision=2).etag


def test_five_gib_have_a_zip64_directory() -> None:
    """Read like a careful reader would: from the end, without the bytes between."""
    size = 5 << 30
    archive = virtual(size)
    tail = archive.read(size - 4096, 4096)
    assert archive.size == size
    assert tail[-22:-18] == b"PK\5\6"
    signature, _, record_at, _ = struct.unpack("<2IQI", tail[-42:-22])
    assert signature == 0x07064B50
    record = archive.read(record_at, 56)
    assert record[:4] == b"PK\6\6"
    members, length, directory_at = struct.unpack("<3Q", record[32:56])
    assert (members, directory_at + length) == (3, record_at)
    directory = archive.read(directory_at, length)
    raster_size, packed = struct.unpack("<2Q", directory[-16:])
    assert raster_size == packed > 0xFFFFFFFF
    assert archive.read(directory_at - 1, 5)[1:] == b"PK\1\2"
