"""A PNG is whole if each of its chunks has its CRC, and the last one ends the file."""

import struct
import zlib
from pathlib import Path

import pytest
from tests.transfer.kinds.kinds_kit import refuse, refuse_every_cut, run, sample

from orderwatch.simulator.attachments import content
from orderwatch.transfer.kinds.png import check_png

SCENE = {"scene_id": "s", "footprint": {"coordinates": [[[0, 0], [0, 1], [1, 1], [0, 0]]]}}
PICTURE = content("thumbnail", SCENE, 1, 0)
PNG = PICTURE.read(0, PICTURE.size)
ANIMATED = sample("animated-by-pillow.png")


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


SIGNATURE, END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND")
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))


@pytest.mark.parametrize("data", [PNG, ANIMATED, SIGNATURE + HEADER + chunk(b"eXIf", bytes(3 * 2**20)) + END])
def test_a_picture_is_accepted(tmp_path: Path, data: bytes) -> None:
    run(check_png, tmp_path, data)


def test_no_cut_of_a_picture_is_accepted(tmp_path: Path) -> None:
    refuse_every_cut(check_png, tmp_path, ANIMATED)


def test_no_changed_byte_is_accepted(tmp_path: Path) -> None:
    for at in range(len(ANIMATED)):
        refuse(check_png, tmp_path, ANIMATED[:at] + bytes([ANIMATED[at] ^ 0xFF]) + ANIMATED[at + 1 :])


def test_a_hole_is_refused(tmp_path: Path) -> None:
    refuse(check_png, tmp_path, PNG[:100] + bytes(50) + PNG[150:], "damaged")


@pytest.mark.parametrize(
    "data",
    [
        PNG + b"\0",
        PNG + PNG,
        SIGNATURE + END,
        SIGNATURE + HEADER + chunk(b"I1AT") + END,
        SIGNATURE[:6] + PNG[8:],
    ],
)
def test_another_order_of_chunks_is_refused(tmp_path: Path, data: bytes) -> None:
    refuse(check_png, tmp_path, data)
