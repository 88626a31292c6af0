"""GeoTIFFs of noise: little-endian, uncompressed, in strips."""

import hashlib
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from orderwatch.simulator.assets.grid import Square

_SHORT: Final = (3, "H", 2)
_LONG: Final = (4, "I", 4)
_DOUBLE: Final = (12, "d", 8)
_STRIPS = 4
_MAX_INLINE_BYTES = 4
_RGB, _GREY = 2, 1


class Bands(NamedTuple):
    """The number of bands of a raster, and the bytes of a sample."""

    number: int
    sample_bytes: int
    photometric: int


VISUAL = Bands(3, 1, _RGB)
ANALYTIC = Bands(4, 2, _GREY)
CLOUD = Bands(1, 1, _GREY)


class _Field(NamedTuple):
    tag: int
    kind: tuple[int, str, int]
    values: Sequence[float]


def geotiff(bands: Bands, pixels: int, square: Square, seed: str) -> bytes:
    """Return a square GeoTIFF of as many pixels per side; the seed decides about its samples."""
    row_bytes = pixels * bands.number * bands.sample_bytes
    data = hashlib.shake_256(seed.encode()).digest(row_bytes * pixels)
    rows = -(-pixels // _STRIPS)
    counts = [row_bytes * min(rows, pixels - first) for first in range(0, pixels, rows)]
    fields = _fields(bands, pixels, square, rows, counts)
    head = 8 + 2 + 12 * len(fields) + 4 + sum(_outside(field) for field in fields)
    offsets = [head + sum(counts[:number]) for number in range(len(counts))]
    fields = [field._replace(values=offsets) if field.tag == 273 else field for field in fields]  # noqa: PLR2004
    return struct.pack("<2sHI", b"II", 42, 8) + _directory(fields) + data


def _fields(bands: Bands, pixels: int, square: Square, rows: int, counts: list[int]) -> list[_Field]:
    metres = square.side * 1000 / pixels
    west, top = square.easting * 1000.0, (square.northing + square.side) * 1000.0
    unnamed = bands.number - (3 if bands.photometric == _RGB else 1)
    extra = [_Field(338, _SHORT, [0] * unnamed)] if unnamed else []  # bands without a meaning
    return [
        _Field(256, _LONG, [pixels]),  # width
        _Field(257, _LONG, [pixels]),  # height
        _Field(258, _SHORT, [8 * bands.sample_bytes] * bands.number),  # bits per sample
        _Field(259, _SHORT, [1]),  # no compression
        _Field(262, _SHORT, [bands.photometric]),
        _Field(273, _LONG, [0] * len(counts)),  # offsets of the strips
        _Field(277, _SHORT, [bands.number]),
        _Field(278, _LONG, [rows]),  # of a strip
        _Field(279, _LONG, counts),  # bytes of the strips
        _Field(284, _SHORT, [1]),  # the samples of a pixel side by side
        *extra,
        _Field(339, _SHORT, [1] * bands.number),  # unsigned samples
        _Field(33550, _DOUBLE, [metres, metres, 0.0]),  # size of a pixel
        _Field(33922, _DOUBLE, [0.0, 0.0, 0.0, west, top, 0.0]),  # north-west corner
        _Field(34735, _SHORT, [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, square.epsg]),
    ]


def _outside(field: _Field) -> int:
    size = field.kind[2] * len(field.values)
    return size if size > _MAX_INLINE_BYTES else 0


def _directory(fields: list[_Field]) -> bytes:
    entries, beyond = struct.pack("<H", len(fields)), b""
    start = 8 + 2 + 12 * len(fields) + 4
    for field in fields:
        number, letter, _ = field.kind
        packed = struct.pack(f"<{len(field.values)}{letter}", *field.values)
        entries += struct.pack("<2HI", field.tag, number, len(field.values))
        if _outside(field):
            entries += struct.pack("<I", start + len(beyond))
            beyond += packed
        else:
            entries += packed.ljust(_MAX_INLINE_BYTES, b"\0")
    return entries + struct.pack("<I", 0) + beyond
