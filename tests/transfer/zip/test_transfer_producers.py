"""Zips as many producers make them: each is verified, and extracted with the right names and contents."""

import lzma
import random
import stat
import struct
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import inflate64
import pytest
from tests.transfer.zip.raw_zip import Raw, raw_zip

from orderwatch.errors import BadBytesError, NotExtractedError
from orderwatch.transfer.zip.extract import extract, needed
from orderwatch.transfer.zip.member import Member
from orderwatch.transfer.zip.plan import plan_extract
from orderwatch.transfer.zip.verify import check_zip

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DEFLATE64, LZMA, ZSTANDARD, XZ = 9, 14, 93, 95
RASTER = random.Random(5).randbytes(700) * 20 + bytes(70_000) + b"end"
UTF8, LZMA_END_MARK = 0x800, 0x2
WITHOUT_END_MARK = Raw(  # liblzma decodes a byte too many
    name=b"s/a.tif",
    content=bytes.fromhex("a6d98e98ff6e50f4884599902da902f87f"),
    packed=bytes.fromhex("091605005d000080000053364dc98839962c6408852b0f7578fbc23f5c77c76000"),
    method=LZMA,
    version=63,
)


def deflate64(content: bytes) -> bytes:
    packer = inflate64.Deflater()
    return bytes(packer.deflate(content) + packer.flush())


def lzma_in_zip(content: bytes, dictionary: int = 2**16) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": 3, "lp": 0, "pb": 2}]
    packed = lzma.compress(content, lzma.FORMAT_RAW, filters=filters)
    return struct.pack("<2BHBI", 9, 20, 5, 3 + 9 * 5 * 2, dictionary) + packed


def xz(content: bytes, dictionary: int = 2**16) -> bytes:
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": dictionary}])


def packed(method: int, content: bytes = RASTER, **fields: int) -> Raw:
    data = PACKERS[method](content)
    return Raw(name=b"a.tif", content=content, packed=data, method=method, version=63, **fields)  # type: ignore[arg-type]  # numbers


def named(name: bytes, content: bytes = RASTER, *, flags: int = 0, extra: bytes = b"") -> Raw:
    return Raw(name=name, content=content, flags=flags, extra=extra)


def unicode_path(raw: bytes, name: bytes, *, crc: int | None = None, version: int = 1) -> Raw:
    data = struct.pack("<BI", version, zlib.crc32(raw) if crc is None else crc) + name
    return named(raw, extra=struct.pack("<2H", 0x7075, len(data)) + data)


PACKERS: dict[int, Callable[[bytes], bytes]] = {
    DEFLATE64: deflate64, LZMA: lzma_in_zip, ZSTANDARD: zstd.compress, XZ: xz,
}  # fmt: skip
FAR = b"orderwatch, far away"
PLAIN, RAW, UMLAUT = named(b"a.tif"), b"b%U00E4nd.tif", "bänd.tif"
DELETED = raw_zip(named(b"deleted.tif", b"x" * 500))[:541]  # a member that the directory no longer lists
PRODUCERS = {
    "Deflate64: Windows Explorer": (raw_zip(packed(DEFLATE64)), {"a.tif": RASTER}),
    "Deflate64: 7-Zip": (
        Path(__file__).with_name("deflate64-by-7-zip.zip").read_bytes(),
        {"a.tif": FAR + bytes(40_000) + FAR},  # a match more than 32 KiB away, which deflate cannot express
    ),
    "XZ: WinZip": (raw_zip(packed(XZ)), {"a.tif": RASTER}),
    "Zstandard: WinZip": (raw_zip(packed(ZSTANDARD)), {"a.tif": RASTER}),
    "LZMA with an end mark": (raw_zip(packed(LZMA, flags=LZMA_END_MARK)), {"a.tif": RASTER}),
    "LZMA without an end mark: WinZip, LZMA SDK": (
        raw_zip(WITHOUT_END_MARK), {"s/a.tif": WITHOUT_END_MARK.content},
    ),
    "zeros behind the end up to a block: bsdtar": (raw_zip(PLAIN, behind=bytes(10240)), {"a.tif": RASTER}),
    "zeros behind the end up to a sector": (raw_zip(PLAIN, behind=bytes(1)), {"a.tif": RASTER}),
    "zeros behind the end up to a MiB": (raw_zip(PLAIN, behind=bytes(2**20)), {"a.tif": RASTER}),
    "spanning marker: zip -s": (raw_zip(PLAIN, front=b"PK\7\x08"), {"a.tif": RASTER}),
    "temporary spanning marker": (raw_zip(PLAIN, front=b"PK00"), {"a.tif": RASTER}),
    "deleted member in front": (raw_zip(PLAIN, front=DELETED), {"a.tif": RASTER}),
    "bytes between members": (
        raw_zip(PLAIN, named(b"b.tif"), between=b"pad"), {"a.tif": RASTER, "b.tif": RASTER},
    ),
    "mode of a pipe: zip - -": (
        raw_zip(Raw(name=b"a.tif", content=RASTER, mode=stat.S_IFIFO | 0o644)), {"a.tif": RASTER},
    ),
    "UTF-8 without its flag: macOS": (
        raw_zip(named("Aéroport/vue.tif".encode())), {"Aéroport/vue.tif": RASTER},
    ),
    "UTF-8 with its flag": (raw_zip(named("Aéroport".encode(), flags=UTF8)), {"Aéroport": RASTER}),
    "flag of UTF-8 on other bytes": (raw_zip(named(b"\x84.tif", flags=UTF8)), {"ä.tif": RASTER}),
    "code page 437": (raw_zip(named(b"b\x84nd.tif")), {UMLAUT: RASTER}),
    "Unicode Path: Info-ZIP": (raw_zip(unicode_path(RAW, UMLAUT.encode())), {UMLAUT: RASTER}),
    "Unicode Path of another name": (
        raw_zip(unicode_path(RAW, UMLAUT.encode(), crc=7)), {RAW.decode(): RASTER},
    ),
    "Unicode Path of a later version": (
        raw_zip(unicode_path(RAW, UMLAUT.encode(), version=2)), {RAW.decode(): RASTER},
    ),
    "Unicode Path that is no UTF-8": (raw_zip(unicode_path(RAW, b"\xff")), {RAW.decode(): RASTER}),
    "extra field cut short": (raw_zip(named(b"a.tif", extra=b"\1\0\x20\0x")), {"a.tif": RASTER}),
    "extra field of padding": (raw_zip(named(b"a.tif", extra=bytes(3))), {"a.tif": RASTER}),
    "the folder itself: bsdtar": (
        raw_zip(Raw(name=b"./", content=b"", mode=0o40755), named(b"./a.tif")), {"a.tif": RASTER},
    ),
    "case twins": (
        raw_zip(named(b"A.tif", b"A"), named(b"a.tif", b"a"), named(b"S/x", b"S"), named(b"s/x", b"s")),
        {"A.tif": b"A", "a.tif": b"a", "S/x": b"S", "s/x": b"s"},
    ),
}  # fmt: skip


def verify(folder: Path, data: bytes) -> None:
    (folder / "a.zip").write_bytes(data)
    check_zip(folder / "a.zip", threading.Event())


def unpack(folder: Path, data: bytes) -> dict[str, bytes]:
    verify(folder, data)
    stop = threading.Event()
    final, _ = extract(folder / "a.zip", folder / "work", folder / "a", lambda _size: None, stop)
    assert needed(folder / "a.zip", folder / "a", stop) == 0
    return {
        path.relative_to(final).as_posix(): path.read_bytes() for path in final.rglob("*") if path.is_file()
    }


def refuse(folder: Path, data: bytes, words: str) -> None:
    with pytest.raises(BadBytesError, match=words) as caught:
        verify(folder, data)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("data", "files"), PRODUCERS.values(), ids=PRODUCERS.keys())
def test_zips_of_every_producer_are_verified_and_extracted(
    tmp_path: Path, data: bytes, files: dict[str, bytes]
) -> None:
    assert unpack(tmp_path, data) == files


@pytest.mark.parametrize(("data", "_files"), PRODUCERS.values(), ids=PRODUCERS.keys())
def test_none_of_them_is_accepted_when_its_content_is_damaged(
    tmp_path: Path, data: bytes, _files: dict[str, bytes]
) -> None:
    """The middle of the packed bytes of the last member."""
    last = data.rindex(b"PK\3\4")
    lengths = struct.unpack_from("<2H", data, last + 26)
    at = last + 30 + sum(lengths) + struct.unpack_from("<I", data, last + 18)[0] // 2
    refuse(tmp_path, data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :], "cannot read the zip")


@pytest.mark.parametrize("length", [1, 10_240, 2**20])
def test_only_zeros_may_follow_the_end(tmp_path: Path, length: int) -> None:
    for behind in (b"x" + bytes(length - 1), bytes(length - 1) + b"x"):
        refuse(tmp_path, raw_zip(PLAIN, behind=behind), "extra bytes after its end")
    refuse(tmp_path, raw_zip(PLAIN, behind=bytes(2**20 + length)), "extra bytes after|no end record")


@pytest.mark.parametrize("front", [b"x", b"<html></html>", b"MZ\x90\0", bytes(512), b"PK\5\6", b"PK"])
def test_a_zip_begins_with_a_member_or_a_marker(tmp_path: Path, front: bytes) -> None:
    """Though its directory points behind what is in front."""
    refuse(tmp_path, raw_zip(PLAIN, front=front), "wrong leading bytes")


def test_a_marker_that_the_directory_does_not_count_refuses_the_zip(tmp_path: Path) -> None:
    refuse(tmp_path, b"PK00" + raw_zip(PLAIN), "does not start at the first byte")


# What stays refused, by name


@pytest.mark.parametrize(
    ("method", "words"),
    [(98, r"PPMd \(method 98\)"), (97, r"WavPack compression \(method 97\)"), (1, r"Shrink \(method 1\)"),
     (77, r"an unknown compression \(method 77\)")],
)  # fmt: skip
def test_what_cannot_be_verified_is_named_with_its_method(tmp_path: Path, method: int, words: str) -> None:
    data = raw_zip(Raw(name="ä.tif".encode(), content=b"x", method=method))
    refuse(tmp_path, data, rf"^the zip member 'ä.tif' uses {words}, which orderwatch cannot verify$")


def test_encryption_is_named_before_its_method(tmp_path: Path) -> None:
    """AES of WinZip is method 99."""
    refuse(tmp_path, raw_zip(Raw(name=b"a", content=b"x", method=99, flags=1)), "the zip is encrypted")


def test_a_feature_of_a_later_version_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, raw_zip(Raw(name=b"a", content=b"x", version=64)), "'a' requires version 6.4")


# Damage and bombs


@pytest.mark.parametrize("method", PACKERS)
def test_a_packed_member_cut_short_or_continued_is_refused(tmp_path: Path, method: int) -> None:
    whole = PACKERS[method](RASTER)
    shorter = [whole[: len(whole) // 2], whole[:-9], b"", whole[:1]]
    longer = [whole + b"\0", whole + b"\0" * 300, whole + b"x" * 2**20, whole + whole]
    for data in shorter + longer:
        member = Raw(name=b"a.tif", content=RASTER, packed=data, method=method, flags=LZMA_END_MARK)
        refuse(tmp_path, raw_zip(member), "cannot read the zip: 'a.tif'")


@pytest.mark.parametrize("method", PACKERS)
def test_random_damage_is_refused_or_harmless(tmp_path: Path, method: int) -> None:
    source, whole = random.Random(3), PACKERS[method](RASTER[-71_000:])
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        data[source.randrange(len(data))] = source.randrange(256)
        try:
            verify(
                tmp_path,
                raw_zip(Raw(name=b"a", content=RASTER[-71_000:], packed=bytes(data), method=method)),
            )
        except BadBytesError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("method", PACKERS)
def test_zeros_that_pack_better_than_deflate_can_are_accepted(tmp_path: Path, method: int) -> None:
    zeros = bytes(40 * 2**20)
    member = packed(method, zeros)
    assert len(zeros) > 1100 * len(member.data)
    verify(tmp_path, raw_zip(member))


@pytest.mark.parametrize("method", PACKERS)
def test_a_member_that_claims_more_than_any_scene_is_refused_unread(tmp_path: Path, method: int) -> None:
    members = [packed(method, b"x", size=2**32 - 2)] * 5
    refuse(tmp_path, raw_zip(*members), "claims to contain 21.* GB, above the limit")


@pytest.mark.parametrize("method", PACKERS)
def test_a_bomb_of_any_method_ends_at_the_size_it_claims_in_bounded_memory(
    tmp_path: Path, method: int
) -> None:
    data = raw_zip(packed(method, bytes(100 * 2**20), size=1000))
    tracemalloc.start()
    try:
        refuse(tmp_path, data, "does not match its size and checksum")
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data", [xz(b"x", 2**27), lzma_in_zip(b"x", 2**27), b"\x28\xb5\x2f\xfd\0" + bytes([(27 - 10) << 3])],
    ids=["XZ", "LZMA", "Zstandard"],
)  # fmt: skip
def test_a_window_of_128_mib_needs_too_much_memory(tmp_path: Path, data: bytes) -> None:
    method = XZ if data.startswith(b"\xfd7zXZ") else ZSTANDARD if data.startswith(b"\x28\xb5") else LZMA
    member = Raw(name=b"a.tif", content=b"x", packed=data, method=method)
    refuse(tmp_path, raw_zip(member), "(?i)too much memory|memory usage limit")


def test_a_window_of_64_mib_is_accepted(tmp_path: Path) -> None:
    options = {int(zstd.CompressionParameter.window_log): 26}
    for method, data in (
        (XZ, xz(RASTER, 2**26)),
        (LZMA, lzma_in_zip(RASTER, 2**26)),
        (ZSTANDARD, zstd.compress(RASTER, options=options)),
    ):
        member = Raw(name=b"a.tif", content=RASTER, packed=data, method=method)
        assert unpack(tmp_path, raw_zip(member))["a.tif"] == RASTER


# What cannot be extracted, by name


def test_a_longest_name_of_folders_is_refused_at_once() -> None:
    """Each of its prefixes would be a path."""
    name = "a/" * 32_000 + "b"
    member = Member(name=name, start=0, packed=0, size=0, crc=0, method=0, flags=0, mode=0)
    tracemalloc.start()
    try:
        with pytest.raises(NotExtractedError, match="too long a name"):
            plan_extract([member] * 20)
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()


def test_every_member_that_cannot_be_extracted_is_named_and_nothing_is_extracted(tmp_path: Path) -> None:
    link = Raw(name=b"link", content=b"/etc", mode=stat.S_IFLNK | 0o777)
    data = raw_zip(PLAIN, link, named(b"../x"), named(b"/etc/y"), named(b"n\0ul"), named(b"x" * 256))
    with pytest.raises(NotExtractedError) as caught:
        unpack(tmp_path, data)
    assert str(caught.value).startswith(
        "'link' is neither a regular file nor a folder; '../x' is not a safe file name; "
        "'/etc/y' is not a safe file name; 'n\\x00ul' is not a safe file name; 'xxx"
    )
    assert str(caught.value).endswith("is too long a name")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip"}


def test_a_reason_lists_five_members_and_counts_the_others(tmp_path: Path) -> None:
    with pytest.raises(NotExtractedError, match=r"'\.\./4' is not a safe file name; and 3 more members$"):
        unpack(tmp_path, raw_zip(*[named(f"../{number}".encode(), b"") for number in range(8)]))
