"""Draws thumbnails and previews: fields, or fictitious landscapes."""

import hashlib
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import TypeVar

_FIELDS_PER_SIDE = 9
_CROPS = [
    bytes.fromhex(tint)
    for tint in ("5e7548", "8b9762", "b0a376", "465c42", "78685a", "c9be9b", "586c6e", "9b8c70", "6d7f4e")
]
_LARGEST_SIDE_PIXELS = 128
_FIRST_GRID = 5  # heights per side; doubled until there is one per pixel
_ROUGHNESS = 0.5  # remaining variation at each step
_WATER = ((18, 52, 86), (46, 106, 138))  # deep and shallow
_LAND = ((196, 180, 140), (112, 128, 78), (84, 98, 62), (132, 110, 84), (176, 164, 150))  # by height

Heights = list[list[float]]
T = TypeVar("T")


def fields(side: int, seed: str) -> bytes:
    """Return a square PNG of fields seen from above; quick to draw."""
    drawn = hashlib.shake_256(seed.encode()).digest(2 * _FIELDS_PER_SIDE + _FIELDS_PER_SIDE**2)
    across, down = (_cuts(drawn[n * _FIELDS_PER_SIDE : (n + 1) * _FIELDS_PER_SIDE], side) for n in (0, 1))
    tints, rows = drawn[2 * _FIELDS_PER_SIDE :], []
    for n, height in enumerate(down):
        row = (
            _CROPS[tints[n * _FIELDS_PER_SIDE + m] % len(_CROPS)] * width for m, width in enumerate(across)
        )
        rows.append((b"\0" + b"".join(row)) * height)
    return _png(side, b"".join(rows))


def _cuts(parts: bytes, side: int) -> list[int]:
    """Return widths in these proportions that add up to the side."""
    ends = [
        side * (total + 64 * n) // (sum(parts) + 64 * len(parts))
        for n, total in enumerate(accumulate(parts), 1)
    ]
    return [end - begin for begin, end in pairwise([0, *ends])]


def landscape(side: int, seed: str) -> bytes:
    """Return a square PNG of land and water, lit from the north-west; takes a tenth of a second.

    `side` must divide 128; the same seed gives the same landscape at any size.
    """
    chance = random.Random(seed)  # noqa: S311 - a picture
    heights = _heights(chance)
    shore, step = chance.uniform(0.15, 0.55), _LARGEST_SIDE_PIXELS // side
    rows = (_row(heights, y, step, shore) for y in range(1, _LARGEST_SIDE_PIXELS + 1, step))
    return _png(side, b"".join(rows))


def _row(heights: Heights, y: int, step: int, shore: float) -> bytes:
    above, row = heights[y - 1], heights[y]
    return b"\0" + b"".join(
        _tint(row[x], shore, light=row[x] - above[x - 1]) for x in range(1, _LARGEST_SIDE_PIXELS + 1, step)
    )


def _heights(chance: random.Random) -> Heights:
    """Return heights from 0 to 1, one more per side than pixels."""
    swing = 1.0
    found = [[chance.random() for _ in range(_FIRST_GRID)] for _ in range(_FIRST_GRID)]
    while len(found) <= _LARGEST_SIDE_PIXELS:
        swing *= _ROUGHNESS
        wide = [_with_means(row, lambda a, b: (a + b) / 2) for row in found]
        tall = _with_means(wide, lambda one, other: [(a + b) / 2 for a, b in zip(one, other, strict=True)])
        found = [[height + swing * (chance.random() - 0.5) for height in row] for row in tall]
    low, high = min(map(min, found)), max(map(max, found))
    return [[(height - low) / (high - low) for height in row] for row in found]


def _with_means(values: Sequence[T], mean: Callable[[T, T], T]) -> list[T]:
    found = [values[0]]
    for one, other in pairwise(values):
        found += [mean(one, other), other]
    return found


def _tint(height: float, shore: float, light: float) -> bytes:
    if height < shore:
        mixed, lit = _mixed(_WATER, height / shore), 1.0
    else:
        mixed, lit = _mixed(_LAND, (height - shore) / (1 - shore)), 1 + 6 * light
    return bytes(max(0, min(255, round(part * lit))) for part in mixed)


def _mixed(colours: Sequence[Sequence[int]], place: float) -> list[float]:
    """Return the colour at a position from 0 to 1 on a scale."""
    index = min(int(place * (len(colours) - 1)), len(colours) - 2)
    share = place * (len(colours) - 1) - index
    return [a + share * (b - a) for a, b in zip(colours[index], colours[index + 1], strict=True)]


def _png(side: int, rows: bytes) -> bytes:
    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
