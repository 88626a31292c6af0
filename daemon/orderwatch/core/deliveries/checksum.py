"""Checksums of files, as a provider states them."""

import hashlib
from dataclasses import dataclass

_SHA1, _SHA256, _SHA512, _MD5 = 0x11, 0x12, 0x13, 0xD5
_ALGORITHMS = {_SHA1: "sha1", _SHA256: "sha256", _SHA512: "sha512", _MD5: "md5"}
_MORE, _BITS = 0x80, 7  # of an unsigned varint


@dataclass(frozen=True, slots=True)
class Checksum:
    """`algorithm` is a name of `hashlib`, `digest` is in lower-case hex."""

    algorithm: str
    digest: str


def parse_multihash(text: str) -> Checksum | None:
    """Returns the checksum of a multihash in hex, None if it is invalid or its algorithm is unknown."""
    try:
        algorithm, rest = _varint(bytes.fromhex(text))
        size, digest = _varint(rest)
    except (ValueError, IndexError):
        return None
    name = _ALGORITHMS.get(algorithm)
    if name is None or size != len(digest) or size != hashlib.new(name, usedforsecurity=False).digest_size:
        return None
    return Checksum(name, digest.hex())


def _varint(data: bytes) -> tuple[int, bytes]:
    value = shift = position = 0
    while data[position] & _MORE:
        value |= (data[position] & ~_MORE) << shift
        shift, position = shift + _BITS, position + 1
    return value | data[position] << shift, data[position + 1 :]
