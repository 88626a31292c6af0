"""What is taken for a good file, and in which words anything else is refused."""

import io
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import OTHER, TRUTH, sample_zip

from orderwatch.core.model import Delivery
from orderwatch.errors import BadBytesError, LostBytesError
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import check_zip, digest

SMALL = sample_zip(5, 400)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment
    return made.getvalue()


def streamed() -> bytes:
    """With data descriptors, as a writer makes that cannot go back."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.made = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            piece = bytes(data)  # type: ignore[call-overload]  # anything with a buffer
            self.made += piece
            return len(piece)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"a" * 1000)
        archive.writestr("b.txt", b"b" * 1000)
    return pipe.made


def long_form() -> bytes:
    """A member with the headers of zip64."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive, archive.open("a.tif", "w", force_zip64=True) as member:
        member.write(b"raster" * 1000)
    return made.getvalue()


def many_members(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """An archive with the end records of zip64, as one with more than 65535 members has."""
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
        return zipped(*[(f"{number}.txt", b"x") for number in range(5)], comment=b"many")


def accept(folder: Path, data: bytes) -> None:
    (folder / "whole").write_bytes(data)
    check_zip(folder / "whole", threading.Event())


def refuse(folder: Path, data: bytes, words: str) -> None:
    with pytest.raises(BadBytesError, match=words) as caught:
        accept(folder, data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        TRUTH,
        zipped(("a", b"stored")),
        zipped(("a", b"deflated" * 100), method=zipfile.ZIP_DEFLATED),
        zipped(("folder/", b""), ("folder/empty", b"")),
        zipped(("ñandú/año.txt", b"x")),
        zipped(("a", b"x"), comment=b"a comment"),
        zipped(("a", b"x"), comment=b"c" * 65535),
        streamed(),
        long_form(),
    ],
    ids=["mixed", "stored", "deflated", "empty members", "names", "comment", "long comment",
         "streamed", "zip64"],
)  # fmt: skip
def test_good_zips_of_every_form_are_accepted(tmp_path: Path, data: bytes) -> None:
    accept(tmp_path, data)


def test_a_zip64_with_its_own_end_records_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = many_members(monkeypatch)
    assert b"PK\x06\x06" in data
    accept(tmp_path, data)
    refuse(tmp_path, data[: data.index(b"PK\x06\x06")], "incomplete")


@pytest.mark.parametrize(
    "data", [b"", b"<!DOCTYPE html><html></html>", b'{"error": 1}', b"\0" * 100, b"PK", b"PK\3"]
)
def test_what_does_not_begin_like_a_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    refuse(tmp_path, data, "wrong leading bytes|incomplete")


def test_a_zip_without_members_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, zipped(), "wrong leading bytes")


def test_an_end_record_that_counts_no_member_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, zipped(("a", b"x"))[:32] + zipped(), "start|empty")


@pytest.mark.parametrize("data", [SMALL, streamed(), long_form()], ids=["plain", "streamed", "zip64"])
def test_a_zip_cut_short_anywhere_is_refused(tmp_path: Path, data: bytes) -> None:
    for length in range(1, len(data), 1 + len(data) // 400):
        refuse(tmp_path, data[:length], "incomplete|wrong leading bytes")


def test_a_long_zip_cut_short_is_refused(tmp_path: Path) -> None:
    for length in range(10, len(TRUTH), 10_007):
        refuse(tmp_path, TRUTH[:length], "incomplete")


@pytest.mark.parametrize("length", [1, 22, 1000, 70_000])
def test_foreign_bytes_behind_a_zip_are_refused(tmp_path: Path, length: int) -> None:
    refuse(tmp_path, SMALL + b"x" * length, "extra bytes after|incomplete")
    refuse(tmp_path, SMALL + b"\0" * length + b"x", "extra bytes after|incomplete")


def test_a_second_zip_behind_the_first_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, SMALL + sample_zip(6, 400), "does not start")


@pytest.mark.parametrize("front", [b"x", b"<html></html>", b"\xef\xbb\xbf", b"\0" * 4096])
def test_foreign_bytes_before_a_zip_are_refused(tmp_path: Path, front: bytes) -> None:
    refuse(tmp_path, front + SMALL, "wrong leading bytes")


def test_foreign_bytes_that_begin_like_a_zip_are_refused(tmp_path: Path) -> None:
    refuse(tmp_path, SMALL[:100] + SMALL, "does not start")
    refuse(tmp_path, b"PK\3\4" + SMALL, "does not start")


def test_a_flipped_byte_anywhere_in_the_members_is_refused(tmp_path: Path) -> None:
    """All but the last bytes of deflated data, which may hold an end mark and padding."""
    for data, step in ((SMALL, 1), (TRUTH, 4999), (streamed(), 1), (long_form(), 97)):
        for start, length in list_members(data):
            for at in range(start, start + length - 2, step):
                refuse(tmp_path, flipped(data, at), "cannot read")


def test_a_flipped_byte_in_the_central_directory_is_refused_or_changes_no_content(tmp_path: Path) -> None:
    """Times, attributes and makers are not vouched for by anything."""
    for data in (SMALL, streamed(), long_form()):
        directory = data.index(b"PK\x01\x02")
        refused = 0
        for at in range(directory, len(data)):
            for mask in (0x01, 0x80, 0xFF):
                spoiled = flipped(data, at, mask)
                try:
                    accept(tmp_path, spoiled)
                except BadBytesError:
                    refused += 1
                else:
                    assert contents_of(spoiled) == contents_of(data)
        assert refused > len(data) - directory


@pytest.mark.parametrize(
    ("field", "offset", "length"),
    [
        ("signature", 0, 4),
        ("method", 10, 2),
        ("crc", 16, 4),
        ("size", 24, 4),
        ("name length", 28, 2),
        ("header offset", 42, 4),
        ("name", 46, 5),
    ],
)
def test_a_flipped_byte_in_what_finds_a_member_is_refused(
    tmp_path: Path, field: str, offset: int, length: int
) -> None:
    directory = SMALL.index(b"PK\x01\x02")
    for at in range(directory + offset, directory + offset + length):
        refuse(tmp_path, flipped(SMALL, at), "zip")
    assert field


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_a_flipped_byte_anywhere_is_refused_or_harmless_whatever_the_compression(
    tmp_path: Path, method: int
) -> None:
    data = zipped(("a/b", b"words and more words " * 30), ("c", b"x"), method=method)
    for at in range(len(data)):
        try:
            accept(tmp_path, flipped(data, at))
        except BadBytesError:
            continue
        assert contents_of(flipped(data, at)) == contents_of(data)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(("a", b"secret")))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refuse(tmp_path, bytes(data), "encrypted")


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(("a", b"secret")))
    data[8] = data[data.index(b"PK\x01\x02") + 10] = 97
    refuse(tmp_path, bytes(data), "compression")


def test_two_zips_spliced_are_refused(tmp_path: Path) -> None:
    assert len(TRUTH) == len(OTHER)
    for at in range(1000, len(TRUTH), 30_011):
        refuse(tmp_path, TRUTH[:at] + OTHER[at:], "cannot read")


# Interrupting, and the destination's part


@pytest.mark.parametrize("work", [digest, check_zip])
def test_a_long_check_ends_soon_after_it_is_told_to(
    tmp_path: Path, work: Callable[[Path, threading.Event], object]
) -> None:
    (tmp_path / "whole").write_bytes(TRUTH)
    stop = threading.Event()
    work(tmp_path / "whole", stop)
    stop.set()
    with pytest.raises(InterruptedError):
        work(tmp_path / "whole", stop)


async def test_a_verified_partial_has_its_size_and_sha256(tmp_path: Path, delivery: Delivery) -> None:
    destination = FilesystemDestination(tmp_path)
    await destination.prepare()
    (destination.partials / "one.part").write_bytes(TRUTH)
    checked = await destination.verify("one.part", delivery)
    assert (checked.size, checked.sha256) == (len(TRUTH), digest(destination.partials / "one.part"))


async def test_a_partial_that_is_gone_has_lost_its_bytes(tmp_path: Path, delivery: Delivery) -> None:
    destination = FilesystemDestination(tmp_path)
    await destination.prepare()
    with pytest.raises(LostBytesError):
        await destination.verify("one.part", delivery)


def flipped(data: bytes, at: int, mask: int = 0xFF) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def list_members(data: bytes) -> list[tuple[int, int]]:
    """Where the bytes of each member are."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            (member.header_offset + 30 + sum(struct.unpack_from("<2H", data, member.header_offset + 26)),
             member.compress_size)
            for member in archive.infolist()
        ]  # fmt: skip


def contents_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
