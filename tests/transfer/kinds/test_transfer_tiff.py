"""A TIFF is whole if all that its directories refer to is inside the file."""

import random
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.transfer.kinds.kinds_kit import refuse, refuse_every_cut, run, sample

from orderwatch.errors import BadBytesError
from orderwatch.transfer.kinds.tiff import check_tiff

SHORT, LONG, ASCII, LONG8 = 3, 4, 2, 16
CODES = {SHORT: "H", LONG: "I", LONG8: "Q", ASCII: "s"}
PRODUCTS = (
    "cog-by-gdal.tif",
    "sparse-big-cog-by-gdal.tif",
    "strips-by-gdal.tif",
    "subdirectories-by-tifffile.tif",
    "exif-by-pillow.tif",
)


@dataclass
class Tiff:
    """A TIFF written by hand: blocks of data, then directories, in the order of the calls."""

    order: str = "<"
    big: bool = False
    data: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        mark = b"II" if self.order == "<" else b"MM"
        version = (
            struct.pack(f"{self.order}HHHQ", 43, 8, 0, 0)
            if self.big
            else struct.pack(f"{self.order}HI", 42, 0)
        )
        self.data += mark + version

    @property
    def wide(self) -> str:
        return "Q" if self.big else "I"

    def block(self, size: int) -> int:
        """Append image data; return its offset."""
        at = len(self.data)
        self.data += random.Random(size).randbytes(size)
        return at

    def directory(self, tags: Sequence[tuple[int, int, Sequence[int]]], following: int = 0) -> int:
        """Append a directory of these tags, types and values; return its offset."""
        inline = 8 if self.big else 4
        entries = b""
        for tag, kind, values in tags:
            packed = struct.pack(f"{self.order}{len(values)}{CODES[kind]}", *values)
            place = packed.ljust(inline, b"\0")
            if len(packed) > inline:
                place = struct.pack(f"{self.order}{self.wide}", len(self.data))
                self.data += packed
            entries += struct.pack(f"{self.order}HH{self.wide}", tag, kind, len(values)) + place
        at = len(self.data)
        count = struct.pack(f"{self.order}{'Q' if self.big else 'H'}", len(tags))
        self.data += count + entries + struct.pack(f"{self.order}{self.wide}", following)
        return at

    def begin(self, first: int) -> bytes:
        """Let the header name the first directory; return the file."""
        struct.pack_into(f"{self.order}{self.wide}", self.data, 8 if self.big else 4, first)
        return bytes(self.data)


def tiled(tiff: Tiff, sizes: Sequence[int], kind: int = LONG) -> list[tuple[int, int, Sequence[int]]]:
    return [(256, SHORT, [16]), (324, kind, [tiff.block(size) for size in sizes]), (325, LONG, sizes)]


def directory_last(tiff: Tiff, sizes: Sequence[int]) -> bytes:
    return tiff.begin(tiff.directory(tiled(tiff, sizes)))


def data_last(tiff: Tiff, sizes: Sequence[int]) -> bytes:
    """As in a COG: the directory is written before what it refers to."""
    starts = [0] * len(sizes)
    probe = Tiff(tiff.order, tiff.big)
    probe.directory([(324, LONG, starts), (325, LONG, sizes)])
    starts = [len(probe.data) + sum(sizes[:number]) for number in range(len(sizes))]
    first = tiff.directory([(324, LONG, starts), (325, LONG, sizes)])
    for size in sizes:
        tiff.block(size)
    return tiff.begin(first)


LAYOUTS = [("<", False), (">", False), ("<", True), (">", True)]


def outcome(folder: Path, data: bytes) -> str:
    """Return why the file is refused, in words."""
    try:
        run(check_tiff, folder, data)
    except BadBytesError as error:
        return str(error)
    return "accepted"


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_real_product_is_accepted_and_no_cut_of_it(tmp_path: Path, name: str) -> None:
    run(check_tiff, tmp_path, sample(name))
    refuse_every_cut(check_tiff, tmp_path, sample(name))


@pytest.mark.parametrize(("order", "big"), LAYOUTS)
@pytest.mark.parametrize("sizes", [[40], [5, 60], [7] * 9])
@pytest.mark.parametrize("is_last", [True, False], ids=["directory last", "data last"])
def test_each_byte_order_and_width_is_accepted_and_no_cut_of_it(
    tmp_path: Path, order: str, sizes: Sequence[int], *, big: bool, is_last: bool
) -> None:
    data = (directory_last if is_last else data_last)(Tiff(order, big), sizes)
    run(check_tiff, tmp_path, data)
    refuse_every_cut(check_tiff, tmp_path, data)


@pytest.mark.parametrize("big", [False, True])
def test_pages_and_subdirectories_have_to_be_inside_the_file(tmp_path: Path, *, big: bool) -> None:
    tiff = Tiff(big=big)
    overview = tiff.directory(tiled(tiff, [9]))
    second = tiff.directory(tiled(tiff, [8, 8]))
    data = tiff.begin(tiff.directory([*tiled(tiff, [30]), (330, LONG, [overview])], second))
    run(check_tiff, tmp_path, data)
    for broken in (overview, second):
        at = data.rindex(struct.pack(f"<{tiff.wide}", broken))
        past = data[:at] + struct.pack("<I", len(data)) + data[at + 4 :]
        refuse(check_tiff, tmp_path, past, "incomplete")


@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=20),
    layout=st.sampled_from(LAYOUTS),
    data=st.data(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_layout_a_cut_into_data_or_directory_is_refused(
    tmp_path: Path, sizes: list[int], layout: tuple[str, bool], data: st.DataObject
) -> None:
    tiff = Tiff(*layout)
    pages = [tiled(tiff, sizes), tiled(tiff, sizes[::-1])]
    whole = tiff.begin(tiff.directory(pages[0], tiff.directory(pages[1])))
    run(check_tiff, tmp_path, whole)
    refuse(check_tiff, tmp_path, whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(data=st.binary(max_size=300), layout=st.sampled_from(LAYOUTS))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_accepted_or_refused(tmp_path: Path, data: bytes, layout: tuple[str, bool]) -> None:
    header = Tiff(*layout)
    assert "\n" not in outcome(tmp_path, header.begin(len(header.data)) + data)


@pytest.mark.parametrize("name", PRODUCTS)
def test_any_changed_byte_leaves_a_file_that_is_accepted_or_refused(tmp_path: Path, name: str) -> None:
    whole = sample(name)
    for at in range(0, len(whole), 11):
        data = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        assert "\n" not in outcome(tmp_path, data)


def test_a_chain_of_subdirectories_is_followed(tmp_path: Path) -> None:
    tiff = Tiff()
    second = tiff.directory([(324, LONG, [8]), (325, LONG, [10_000])])
    first = tiff.directory(tiled(tiff, [9]), second)
    refuse(check_tiff, tmp_path, tiff.begin(tiff.directory([(330, LONG, [first])])), "incomplete")


def test_what_follows_an_exif_directory_is_ignored(tmp_path: Path) -> None:
    tiff = Tiff()
    exif = tiff.directory([(256, SHORT, [1])], 123_456)
    run(check_tiff, tmp_path, tiff.begin(tiff.directory([(34665, LONG, [exif])])))


def test_a_chain_that_returns_to_itself_is_refused(tmp_path: Path) -> None:
    tiff = Tiff()
    at = len(tiff.data)
    refuse(check_tiff, tmp_path, tiff.begin(tiff.directory([(256, SHORT, [1])], at)), "do not end")


def test_subdirectories_that_refer_to_each_other_are_read_once(tmp_path: Path) -> None:
    tiff = Tiff()
    at = len(tiff.data)
    run(check_tiff, tmp_path, tiff.begin(tiff.directory([(330, LONG, [at])])))


def test_directories_that_share_one_huge_list_are_refused(tmp_path: Path) -> None:
    tiff = Tiff(big=True)
    count = 40_000
    at = tiff.block(8 * count)
    tiff.data[at:] = struct.pack(f"<{count}Q", *[at] * count)
    following = 0
    for _ in range(40):
        entries = b"".join(struct.pack("<HHQQ", tag, LONG8, count, at) for tag in (324, 325))
        place = len(tiff.data)
        tiff.data += struct.pack("<Q", 2) + entries + struct.pack("<Q", following)
        following = place
    tiff.data[at : at + 8 * count] = struct.pack(f"<{count}Q", *[16] * count)
    refuse(check_tiff, tmp_path, tiff.begin(following), "overlap")


@pytest.mark.parametrize("count", [0, 2**32, 2**63])
def test_a_directory_of_an_absurd_size_is_refused(tmp_path: Path, count: int) -> None:
    tiff = Tiff(big=True)
    at = len(tiff.data)
    tiff.data += struct.pack("<Q", count) + bytes(100)
    refuse(check_tiff, tmp_path, tiff.begin(at), "no directory")


@pytest.mark.parametrize("count", [2**31, 2**32 - 1])
def test_more_values_than_the_file_can_hold_are_refused(tmp_path: Path, count: int) -> None:
    tiff = Tiff()
    at = len(tiff.data)
    tiff.data += struct.pack("<HHHIII", 1, 324, LONG, count, 8, 0)
    refuse(check_tiff, tmp_path, tiff.begin(at), "incomplete")


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([(324, LONG, [8])], "no sizes"),
        ([(324, LONG, [8, 9]), (325, LONG, [1])], "no sizes"),
        ([(324, ASCII, [b"x"]), (325, LONG, [1])], "no offsets"),
        ([(324, LONG, [4]), (325, LONG, [2])], "header"),
        ([(324, LONG, [9]), (325, LONG, [10_000])], "incomplete"),
    ],
)
def test_a_directory_that_contradicts_itself_is_refused(
    tmp_path: Path, tags: list[tuple[int, int, list[int]]], words: str
) -> None:
    tiff = Tiff()
    refuse(check_tiff, tmp_path, tiff.begin(tiff.directory(tags)), words)


def test_tiles_that_a_sparse_file_leaves_out_are_accepted(tmp_path: Path) -> None:
    tiff = Tiff()
    tags = [(324, LONG, [0, tiff.block(9), 0]), (325, LONG, [0, 9, 0])]
    run(check_tiff, tmp_path, tiff.begin(tiff.directory(tags)))


@pytest.mark.parametrize(
    "header", [b"II*\0", b"MM\0*\0\0\0\0", b"II+\0\x04\0\0\0" + bytes(8), b"II\0\0" + bytes(8)]
)
def test_a_header_alone_is_refused(tmp_path: Path, header: bytes) -> None:
    refuse(check_tiff, tmp_path, header)


def test_a_check_ends_soon_after_a_stop(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(InterruptedError):
        run(check_tiff, tmp_path, sample(PRODUCTS[0]), stop)
