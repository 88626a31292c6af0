"""The CRCs of stored members, computed while a file arrives, and what the verification does with them."""

import io
import itertools
import random
import struct
import threading
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transfer.zip.test_transfer_verify import list_members, long_form, streamed, zipped

from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.stream import MemberScanner
from orderwatch.transfer.zip.verify import check_zip

CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
NOISE = random.Random(4).randbytes(5000)


def mixed(members: list[tuple[bytes, int, bool]]) -> bytes:
    """Of content, compression and whether the header is that of zip64."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number, (content, method, large) in enumerate(members):
            info = zipfile.ZipInfo(f"s/{number}.tif")
            info.compress_type = method
            with archive.open(info, "w", force_zip64=large) as member:
                member.write(content)
    return made.getvalue()


def in_the_directory(data: bytes) -> dict[tuple[int, int], int]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            place: info.CRC
            for place, info in zip(list_members(data), archive.infolist(), strict=True)
            if info.compress_type == STORED
        }


def scan(data: bytes, cuts: list[int] | None = None) -> dict[tuple[int, int], int]:
    scanner, view = MemberScanner(), memoryview(data)
    places = [0, *sorted(cuts or []), len(data)]
    for start, end in itertools.pairwise(places):
        scanner.feed(view[start:end])
    return dict(scanner.crcs)


MEMBERS = st.lists(
    st.tuples(st.binary(max_size=300), st.sampled_from([STORED, DEFLATED]), st.booleans()), max_size=6
)
MIXED = mixed([(NOISE, STORED, False), (b"", STORED, True), (NOISE, DEFLATED, False), (NOISE, STORED, True)])
KINDS = {
    "mixed": MIXED,
    "streamed": streamed(),
    "zip64": long_form(),
    "comment": zipped(("a", b"x"), comment=LOCAL * 20),
    "spanning marker": b"PK\x07\x08" + MIXED,
    "temporary spanning marker": b"PK00" + MIXED,
    "marker twice": b"PK00PK00" + MIXED,
    "page": b"<!DOCTYPE html>",
    "noise": NOISE,
}


@given(MEMBERS, st.data())
def test_stored_members_have_the_crcs_of_the_directory_however_the_file_arrives(
    members: list[tuple[bytes, int, bool]], data: st.DataObject
) -> None:
    file = mixed(members)
    cuts = data.draw(st.lists(st.integers(0, len(file)), max_size=9))
    assert scan(file, cuts) == in_the_directory(file)


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS.keys())
def test_every_size_of_blocks_gives_the_same(data: bytes) -> None:
    whole = scan(data)
    for size in (1, 2, 3, 5, 29, 30, 31, 1000):
        assert scan(data, list(range(size, len(data), size))) == whole


@given(st.sampled_from(list(KINDS.values())), st.data())
def test_damage_anywhere_raises_nothing_and_never_gives_a_wrong_crc(file: bytes, data: st.DataObject) -> None:
    spoiled = bytearray(file)
    for _ in range(data.draw(st.integers(1, 4))):
        spoiled[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    cuts = data.draw(st.lists(st.integers(0, len(file)), max_size=5))
    found = scan(bytes(spoiled), cuts)
    assert found == scan(bytes(spoiled))
    for (start, size), crc in found.items():
        assert len(spoiled[start : start + size]) == size
        assert crc == zlib.crc32(spoiled[start : start + size])


def test_a_marker_in_front_moves_the_members() -> None:
    assert scan(b"PK\x07\x08" + MIXED) == {(at + 4, size): crc for (at, size), crc in scan(MIXED).items()}
    assert scan(b"PK00PK00" + MIXED) == {}


def test_a_member_without_size_in_its_header_ends_the_scan() -> None:
    first = mixed([(NOISE, STORED, False)])
    first = first[: first.index(CENTRAL)]
    assert scan(streamed()) == {}
    assert list(scan(first + streamed()).values()) == [zlib.crc32(NOISE)]
    assert list(scan(first + bytes(7) + first).values()) == [zlib.crc32(NOISE)]


@pytest.mark.parametrize(
    ("field", "value", "form"),
    [
        (6, 1, "H"),
        (6, 8, "H"),
        (6, 0x20, "H"),
        (18, 17, "I"),
        (22, 17, "I"),
        (18, 2**32 - 1, "I"),
        (0, 0, "I"),
    ],
    ids=["encrypted", "data descriptor", "patch", "packed size", "size", "no zip64 extra", "no header"],
)
def test_an_odd_header_ends_the_scan(field: int, value: int, form: str) -> None:
    data = bytearray(mixed([(NOISE, STORED, False)] * 2))
    struct.pack_into(f"<{form}", data, data.index(LOCAL, 4) + field, value)
    assert list(scan(bytes(data)).values()) == [zlib.crc32(NOISE)]


def test_sizes_are_read_from_the_zip64_extra_only_if_the_header_refers_to_it() -> None:
    """Python up to 3.11 writes both."""
    data = bytearray(long_form())
    for value in (2**64 - 1, len(data) << 32):
        struct.pack_into("<Q", data, 18, value)
        assert scan(bytes(data)) == (in_the_directory(bytes(data)) if value == 2**64 - 1 else {})


def test_a_member_that_has_not_arrived_completely_has_no_crc() -> None:
    [(start, size)] = list_members(zipped(("a", NOISE)))
    data = zipped(("a", NOISE))
    assert scan(data[: start + size - 1]) == {}
    assert scan(data[: start + size]) == {(start, size): zlib.crc32(NOISE)}


def test_only_members_whose_crc_is_unknown_are_read(tmp_path: Path) -> None:
    """Bytes that changed after they arrived are found by the digest of the file, not here."""
    path, stop = tmp_path / "whole", threading.Event()
    path.write_bytes(MIXED)
    check_zip(path, stop, scan(MIXED))
    for start, size in list_members(MIXED):
        if not size:
            continue
        spoiled = bytearray(MIXED)
        spoiled[start] ^= 1
        path.write_bytes(spoiled)
        others = {place: crc for place, crc in scan(MIXED).items() if place != (start, size)}
        with pytest.raises(BadBytesError, match="cannot read the zip"):
            check_zip(path, stop, others)
        if (start, size) in scan(MIXED):
            check_zip(path, stop, scan(MIXED))
        else:
            with pytest.raises(BadBytesError, match="cannot read the zip"):
                check_zip(path, stop, {**others, (start, size): zlib.crc32(NOISE)})


def test_a_known_crc_that_differs_from_the_directory_refuses_the_zip(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    path.write_bytes(MIXED)
    for place, crc in scan(MIXED).items():
        with pytest.raises(BadBytesError, match="does not match its size and checksum"):
            check_zip(path, threading.Event(), {place: crc ^ 1})


def test_a_stored_member_of_two_sizes_is_refused_though_its_crc_is_known(tmp_path: Path) -> None:
    data = zipped(("a", NOISE))
    spoiled = bytearray(data)
    for at in (22, data.index(CENTRAL) + 24):
        struct.pack_into("<I", spoiled, at, len(NOISE) - 1)
    (tmp_path / "whole").write_bytes(spoiled)
    with pytest.raises(BadBytesError, match="does not match its size and checksum"):
        check_zip(tmp_path / "whole", threading.Event(), scan(data))
