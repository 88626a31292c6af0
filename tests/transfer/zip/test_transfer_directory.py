"""Zips of every form, broken, contradictory or boundless: by both libraries, in one thread and in two."""

import importlib
import io
import random
import struct
import sys
import tempfile
import threading
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transfer.transfer_kit import sample_zip

from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip import decompress, directory, reader, verify
from orderwatch.transfer.zip.member import Member

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
WORDS = b"words and more words " * 30
NOISE = random.Random(7).randbytes(2**20 + 7)
FLAGS, METHOD, CRC, PACKED, SIZE, OFFSET = 8, 10, 16, 20, 24, 42  # where an entry of the directory has them


@pytest.fixture(params=["zlib", "isal.isal_zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whatever is installed here, both are meant to say the same."""
    if request.param != "zlib":
        pytest.importorskip(request.param)
    for module in (decompress, reader):
        monkeypatch.setattr(module, "zlib_library", importlib.import_module(request.param))
    return str(request.param)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as written:
        for name, data in members:
            written.writestr(zipfile.ZipInfo(name), data, method)
    return made.getvalue()


def edited(data: bytes, field: int, value: int, form: str, *, member: int = 0) -> bytes:
    """With another value in a field of the directory's entry."""
    at = -1
    for _ in range(member + 1):
        at = data.index(CENTRAL, at + 1)
    changed = bytearray(data)
    struct.pack_into(f"<{form}", changed, at + field, value)
    return bytes(changed)


def everywhere(data: bytes, field: int, value: int) -> bytes:
    """In the directory and before the member, which is the first one."""
    changed = bytearray(edited(data, field, value, "I"))
    struct.pack_into("<I", changed, field - 2, value)
    return bytes(changed)


def accept(folder: Path, data: bytes) -> None:
    (folder / "whole").write_bytes(data)
    verify.check_zip(folder / "whole", threading.Event())


def refuse(folder: Path, data: bytes, words: str) -> None:
    with pytest.raises(BadBytesError, match=words) as caught:
        accept(folder, data)
    assert "\n" not in str(caught.value)


def contents_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        return {name: read.read(name) for name in read.namelist()}


def test_isal_is_used_where_it_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal", None)
    monkeypatch.delitem(sys.modules, "isal.isal_zlib", raising=False)
    assert decompress._import_fastest_zlib() is zlib
    monkeypatch.undo()
    if decompress.zlib_library is not zlib:
        assert decompress.zlib_library.__name__ == "isal.isal_zlib"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "content", [b"", b"x", WORDS, NOISE[:7001] * 160, NOISE],
    ids=["empty", "one byte", "words", "repeated noise", "noise"],
)  # fmt: skip
def test_every_compression_of_the_standard_library_is_unpacked(
    tmp_path: Path, method: int, content: bytes
) -> None:
    data = zipped(("a", content), ("folder/", b""), ("b", WORDS), method=method)
    accept(tmp_path, data)
    refuse(tmp_path, edited(data, CRC, zlib.crc32(content) ^ 1, "I"), "contradicts|does not match")
    refuse(tmp_path, edited(data, SIZE, len(content) + 1, "I"), "contradicts|does not match")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("large", [0, 2**40], ids=["two threads", "one thread"])
@pytest.mark.parametrize("method", METHODS)
def test_a_flipped_bit_anywhere_is_refused_or_changes_no_content(
    tmp_path: Path, method: int, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_PARALLEL_FROM_BYTES", large)
    data = zipped(("a/b", WORDS), ("c", b"x" * 50), method=method)
    whole = contents_of(data)
    refused = 0
    for bit in range(0, 8 * len(data), 11 if large else 67):
        spoiled = bytearray(data)
        spoiled[bit // 8] ^= 1 << bit % 8
        try:
            accept(tmp_path, bytes(spoiled))
        except BadBytesError:
            refused += 1
        else:
            assert contents_of(bytes(spoiled)) == whole
    assert refused > bit / 3 / (11 if large else 67)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("method", METHODS)
def test_a_member_cut_short_is_refused_whatever_the_headers_say(tmp_path: Path, method: int) -> None:
    data = zipped(("a", WORDS), method=method)
    [member] = zipfile.ZipFile(io.BytesIO(data)).infolist()
    mark = 8 if method == zipfile.ZIP_LZMA else 0  # of the end: that need not be there
    for less in (mark + 1, mark + 2, member.compress_size // 2, member.compress_size - 1):
        shorter = everywhere(data, PACKED, member.compress_size - less)
        refuse(tmp_path, shorter, "cannot read")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("more", [1, 2**20, 3 * 2**20])
@pytest.mark.parametrize("method", METHODS[1:3])
def test_bytes_behind_the_end_of_a_packed_member_are_refused(tmp_path: Path, method: int, more: int) -> None:
    inside = zipped(("a", WORDS), method=method)
    packed = zipfile.ZipFile(io.BytesIO(inside)).infolist()[0].compress_size
    end = 31 + packed
    longer = bytearray(everywhere(inside[:end] + b"\0" * more + inside[end:], PACKED, packed + more))
    struct.pack_into("<I", longer, longer.rindex(END) + 16, end + more)
    refuse(tmp_path, bytes(longer), "does not end where it should|continues after its end")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
MEMBERS = st.lists(
    st.tuples(NAMES, st.binary(max_size=200), st.sampled_from(METHODS), st.booleans()), min_size=1, max_size=5
)


@given(MEMBERS)
def test_the_directory_is_read_as_zipfile_reads_it(members: list[tuple[str, bytes, int, bool]]) -> None:
    with tempfile.TemporaryFile() as file:
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w") as archive:
            for name, content, method, large in members:
                info = zipfile.ZipInfo(name)
                info.compress_type, info.external_attr = method, 0o100644 << 16
                with archive.open(info, "w", force_zip64=large) as written:
                    written.write(content)
        found = directory.list_members(file)
        assert [(m.name, m.size, m.packed, m.crc, m.method, m.mode) for m in found] == [
            (i.orig_filename, i.file_size, i.compress_size, i.CRC, i.compress_type, i.external_attr >> 16)
            for i in archive.infolist()
        ]
        contents = [b"".join(reader.read_member(file.fileno(), member, None)) for member in found]
        assert contents == [content for _, content, _, _ in members]


def test_what_claims_to_be_encrypted_is_refused_in_plain_words(tmp_path: Path) -> None:
    data = zipped(("a", WORDS), ("b", WORDS))
    for flag in (0x1, 0x41, 0x2001):
        spoiled = edited(data, FLAGS, flag, "H", member=1)
        refuse(tmp_path, spoiled, "encrypted: orderwatch cannot verify its content")
    local = bytearray(data)
    local[data.index(LOCAL) + 6] |= 1
    refuse(tmp_path, bytes(local), "encrypted")


@pytest.mark.parametrize(
    ("offset", "words"),
    [(4, None), (10, None), (8, "header"), (14, "header"), (18, "header"), (22, "header"), (30, "header")],
    ids=["version", "time", "method", "crc", "packed", "size", "name"],
)
def test_a_member_and_the_directory_have_to_agree(tmp_path: Path, offset: int, words: str | None) -> None:
    """All but what nobody needs to unpack it."""
    spoiled = bytearray(zipped(("a", WORDS)))
    spoiled[offset] ^= 2
    if words is None:
        accept(tmp_path, bytes(spoiled))
    else:
        refuse(tmp_path, bytes(spoiled), words)


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    """As in the small bombs that unpack one kernel a thousand times."""
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped(("a", WORDS), ("a", WORDS))
    accept(tmp_path, data)
    refuse(tmp_path, edited(data, OFFSET, 0, "I", member=1), "overlap")
    refuse(tmp_path, everywhere(data, PACKED, len(WORDS) + 40), "overlap")


def test_a_member_outside_of_the_file_is_refused(tmp_path: Path) -> None:
    data = zipped(("a", WORDS), ("b", WORDS))
    for offset in (7, len(data) - 10, 2**32 - 2):
        refuse(tmp_path, edited(data, OFFSET, offset, "I", member=1), "not where its directory entry points")


def test_a_zip_that_claims_to_unpack_into_more_than_deflate_can_is_refused_unread(tmp_path: Path) -> None:
    data = zipped(("a", WORDS), method=zipfile.ZIP_DEFLATED)
    for size in (1100 * len(data) + 1, 2**32 - 2):
        refuse(tmp_path, everywhere(data, SIZE, size), "claims to contain")


def test_the_best_that_deflate_can_do_is_accepted(tmp_path: Path) -> None:
    accept(tmp_path, zipped(("zeros.tif", bytes(40 * 2**20)), method=zipfile.ZIP_DEFLATED))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("method", METHODS[1:])
def test_a_bomb_that_lies_about_its_size_ends_at_what_it_said(tmp_path: Path, method: int) -> None:
    """And no more than some blocks of it are in memory at once."""
    honest = zipped(("a", bytes(16 * 2**20)), method=method)
    tracemalloc.start()
    try:
        refuse(tmp_path, everywhere(honest, SIZE, 1000), "contradicts|does not match")
        assert tracemalloc.get_traced_memory()[1] < 14 * 2**20  # of 16, and the dictionary of LZMA is 8
    finally:
        tracemalloc.stop()


def test_lzma_that_wants_more_memory_than_we_give_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(("a", WORDS), method=zipfile.ZIP_LZMA))
    properties = data.index(LOCAL) + 31
    assert data[properties + 2 : properties + 4] == b"\5\0"
    struct.pack_into("<I", data, properties + 5, 2**32 - 1)
    refuse(tmp_path, bytes(data), "too much memory")
    struct.pack_into("<BI", data, properties + 4, 255, 2**16)
    refuse(tmp_path, bytes(data), "cannot read")


def test_a_directory_longer_than_we_read_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zipped(*[(f"{number}", b"") for number in range(100)])
    with monkeypatch.context() as patch:
        patch.setattr(directory, "_MAX_DIRECTORY_BYTES", 1000)
        refuse(tmp_path, data, "directory has .*B, above")
    with monkeypatch.context() as patch:
        patch.setattr(directory, "_MAX_MEMBERS", 99)
        refuse(tmp_path, data, "lists 100 members, above the limit")
    accept(tmp_path, data)


@pytest.mark.long
def test_a_zip_of_more_than_65535_members_is_accepted(tmp_path: Path) -> None:
    accept(tmp_path, zipped(*[(f"{number}", b"") for number in range(65_536)]))


def test_end_records_of_zip64_that_disagree_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
        data = zipped(*[(f"{number}.txt", b"x") for number in range(5)])
    accept(tmp_path, data)
    record, locator = data.index(b"PK\x06\x06"), data.index(b"PK\x06\x07")
    for at in (record, record + 32, record + 40, record + 48, locator + 8):
        spoiled = bytearray(data)
        spoiled[at] ^= 4
        refuse(tmp_path, bytes(spoiled), "do not agree|does not start|members, but its end record counts")
    refuse(tmp_path, data[:record] + data[locator:], "do not agree")


@pytest.mark.parametrize("work", [lambda: sample_zip(5, 400), lambda: zipped(("a", WORDS), method=8)])
def test_foreign_bytes_between_or_around_the_parts_are_refused(
    tmp_path: Path, work: Callable[[], bytes]
) -> None:
    data = work()
    directory, end = data.index(CENTRAL), data.rindex(END)
    for at in (0, directory, end, len(data)):
        refuse(tmp_path, data[:at] + b"PK\3\4" + data[at:], "zip")


def test_one_of_two_threads_that_fails_ends_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one is in the midst of a member that goes on for ever."""
    endless = threading.Event()

    def read_member(_handle: int, member: Member, _stop: threading.Event | None) -> object:
        if member.name == "bad":
            endless.wait(30)
            raise BadBytesError("this one")
        while True:
            endless.set()
            yield b"x"

    monkeypatch.setattr(verify, "read_member", read_member)
    monkeypatch.setattr(verify, "_PARALLEL_FROM_BYTES", 0)
    refuse(tmp_path, zipped(("good", WORDS), ("bad", b"x")), "this one")
