"""Checks that a TIFF or BigTIFF is whole: all that its directories refer to lies inside the file.

Only the header and the directories are read. The image data has no checksums.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import zip_longest

from orderwatch.transfer.kinds.bounded_file import BoundedFile

_TYPES_BY_BYTES = {1: (1, 2, 6, 7), 2: (3, 8), 4: (4, 9, 11, 13), 8: (5, 10, 12, 16, 17, 18)}
_TYPE_BYTES = {kind: size for size, kinds in _TYPES_BY_BYTES.items() for kind in kinds}
_INTEGERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # unsigned; by type
_STRIPS, _TILES, _OLD_JPEG = (273, 279), (324, 325), (513, 514)  # offsets, sizes
_SUB_DIRECTORIES = 330
_EXIF_DIRECTORIES = (34665, 34853, 40965)
_MAX_DIRECTORIES, _MAX_ENTRIES = 100_000, 65_535
_VALUES_AT_ONCE = 8192
_SPARE_BYTES = 2**20
_GHOST_BYTES = 512  # the most that GDAL's structural metadata behind the header takes
_GHOST = b"GDAL_STRUCTURAL_METADATA_SIZE="
_GHOST_TRAILER, _GHOST_VALID = b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED", b"KNOWN_INCOMPATIBLE_EDITION=NO"
_TRAILER_BYTES = 4


class _Role(Enum):
    """What refers to a directory; the offset behind one of EXIF is often garbage."""

    PAGE = auto()
    SUB = auto()
    EXIF = auto()


@dataclass(frozen=True, slots=True)
class _Layout:
    """The widths of a classic TIFF or a BigTIFF, as formats of struct in its byte order."""

    order: str
    first: int  # the position of the first directory's offset
    count: struct.Struct
    entry: struct.Struct
    offset: struct.Struct


@dataclass(frozen=True, slots=True)
class _Value:
    """The values of one tag: `count` of this type, inline or at an offset."""

    kind: int
    count: int
    inline: bytes | None
    at: int


def check_tiff(file: BoundedFile) -> None:
    """Raise `BadBytesError` if a directory, a value, a strip or a tile is not inside the file."""
    _Tiff(file).check()


class _Tiff:
    def __init__(self, file: BoundedFile) -> None:
        self._file = file
        self._layout = _layout(file)
        self._left = 2 * file.size + _SPARE_BYTES  # directories of a valid file are not read twice
        self._trailer = _trailer(file, self._layout)

    def check(self) -> None:
        (first,) = self._layout.offset.unpack(self._read(self._layout.first, self._layout.offset.size))
        if not first:
            raise self._file.damaged("it has no directory")
        seen: set[int] = set()
        waiting = [(first, _Role.PAGE)]
        while waiting:
            at, role = waiting.pop()
            if at in seen and role is not _Role.PAGE:
                continue  # tifffile lists its subdirectories and chains them
            if at in seen or len(seen) >= _MAX_DIRECTORIES:
                raise self._file.damaged("its directories do not end")
            seen.add(at)
            values, following = self._directory(at)
            for offsets, sizes in (_STRIPS, _TILES, _OLD_JPEG):
                self._check_data(values.get(offsets), values.get(sizes))
            waiting += [(each, _Role.SUB) for each in self._offsets(values, _SUB_DIRECTORIES)]
            waiting += [
                (each, _Role.EXIF) for tag in _EXIF_DIRECTORIES for each in self._offsets(values, tag)
            ]
            if following and role is not _Role.EXIF:
                waiting.append((following, role))  # taken next, so all pages come before other directories

    def _directory(self, at: int) -> tuple[Mapping[int, _Value], int]:
        """Return the values of a directory by their tags, and the offset of the next one."""
        layout = self._layout
        (count,) = layout.count.unpack(self._read(at, layout.count.size))
        if not 0 < count <= _MAX_ENTRIES:
            raise self._file.damaged(f"no directory at byte {at:,}")
        entries = self._read(at + layout.count.size, count * layout.entry.size)
        values = {tag: self._value(*facts) for tag, *facts in layout.entry.iter_unpack(entries)}
        end = at + layout.count.size + len(entries)
        (following,) = layout.offset.unpack(self._read(end, layout.offset.size))
        return values, following

    def _value(self, kind: int, count: int, field: bytes) -> _Value:
        size = count * _TYPE_BYTES.get(kind, 0)  # readers skip unknown types
        if size <= len(field):
            return _Value(kind, count, field[:size], 0)
        (at,) = self._layout.offset.unpack(field)
        self._file.require(at, size)
        return _Value(kind, count, None, at)

    def _check_data(self, offsets: _Value | None, sizes: _Value | None) -> None:
        """Check that all strips or tiles are inside the file; one without size is a gap of a sparse file."""
        if offsets is None:
            return
        if sizes is None or sizes.count != offsets.count:
            raise self._file.damaged("its image data has no sizes")
        header = self._layout.first + self._layout.offset.size
        for starts, lengths in zip_longest(self._integers(offsets), self._integers(sizes)):
            used = [(start, length) for start, length in zip(starts, lengths, strict=True) if length]
            if any(start < header for start, _ in used):
                raise self._file.damaged("its image data overlaps its header")
            end = max((start + length for start, length in used), default=0)
            self._file.require(end, self._trailer if used else 0)

    def _offsets(self, values: Mapping[int, _Value], tag: int) -> list[int]:
        """Return the offsets of the directories that a tag refers to."""
        value = values.get(tag)
        if value is None:
            return []
        if value.count > _MAX_DIRECTORIES:
            raise self._file.damaged("its directories do not end")
        return [at for block in self._integers(value) for at in block if at]

    def _integers(self, value: _Value) -> Iterator[tuple[int, ...]]:
        """Yield the values in blocks."""
        code = _INTEGERS.get(value.kind)
        if code is None:
            raise self._file.damaged("its image data has no offsets")
        width = _TYPE_BYTES[value.kind]
        for start in range(0, value.count, _VALUES_AT_ONCE):
            count = min(_VALUES_AT_ONCE, value.count - start)
            packed = value.inline
            if packed is None:
                packed = self._read(value.at + start * width, count * width)
            yield struct.unpack(f"{self._layout.order}{count}{code}", packed)

    def _read(self, at: int, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise self._file.damaged("its directories overlap")
        return self._file.read(at, size)


def _layout(file: BoundedFile) -> _Layout:
    head = file.read(0, 8)
    order = "<" if head.startswith(b"II") else ">"
    (version,) = struct.unpack(f"{order}H", head[2:4])
    if version == 42:  # noqa: PLR2004 - the number of a TIFF
        first, count, entry, offset = 4, "H", "HHI4s", "I"
    elif struct.unpack(f"{order}HHH", head[2:8]) == (43, 8, 0):
        first, count, entry, offset = 8, "Q", "HHQ8s", "Q"
    else:
        raise file.damaged("wrong header")
    return _Layout(order, first, *(struct.Struct(order + code) for code in (count, entry, offset)))


def _trailer(file: BoundedFile, layout: _Layout) -> int:
    """Return how many bytes follow each tile, by GDAL's description of the file behind the header."""
    at = layout.first + layout.offset.size
    ghost = file.read(at, min(_GHOST_BYTES, max(0, file.size - at)))
    is_valid = ghost.startswith(_GHOST) and _GHOST_TRAILER in ghost and _GHOST_VALID in ghost
    return _TRAILER_BYTES if is_valid else 0
