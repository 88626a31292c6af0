"""Writes zips byte by byte, as producers do that `zipfile` does not imitate."""

import struct
import zlib
from dataclasses import dataclass

HEADER, ENTRY = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
UNIX = 3 << 8


@dataclass(frozen=True, kw_only=True)
class Raw:
    """A member; `packed` is its content unless it is compressed."""

    name: bytes
    content: bytes
    packed: bytes | None = None
    method: int = 0
    flags: int = 0
    extra: bytes = b""
    mode: int = 0o100644
    version: int = 20
    size: int | None = None  # what the headers claim

    @property
    def data(self) -> bytes:
        return self.content if self.packed is None else self.packed

    def fields(self) -> tuple[int, ...]:
        size = len(self.content) if self.size is None else self.size
        return (self.version, self.flags, self.method, 0, 33, zlib.crc32(self.content), len(self.data), size,
                len(self.name), len(self.extra))  # fmt: skip


def raw_zip(*members: Raw, front: bytes = b"", between: bytes = b"", behind: bytes = b"") -> bytes:
    """Return a zip with bytes in front of its first member, between them, and behind the end record."""
    made, directory = bytearray(front), b""
    for member in members:
        directory += ENTRY.pack(
            b"PK\1\2", UNIX | member.version, *member.fields(), 0, 0, 0, member.mode << 16, len(made)
        ) + member.name + member.extra  # fmt: skip
        made += HEADER.pack(b"PK\3\4", *member.fields()) + member.name + member.extra + member.data + between
    end = END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(made), 0)
    return bytes(made) + directory + end + behind
