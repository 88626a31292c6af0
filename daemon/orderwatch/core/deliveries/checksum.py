"""Checksums that a provider promises, and their form in STAC (the multihash of its file extension)."""

import re
from dataclasses import dataclass

_ALGORITHMS = {"1220": "sha256", "1114": "sha1", "d50110": "md5", "1340": "sha512"}  # by code and length
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Checksum:
    """The digest of a whole file in lower-case hex; `algorithm` is its name in hashlib."""

    algorithm: str
    digest: str


def parse_multihash(text: object) -> Checksum | None:
    """Return the checksum that a hex multihash holds; None for another form, algorithm or length."""
    if not isinstance(text, str) or not _HEX.fullmatch(lowered := text.lower()):
        return None
    for prefix, algorithm in _ALGORITHMS.items():
        digest = lowered.removeprefix(prefix)
        if digest != lowered and len(digest) == 2 * int(prefix[-2:], 16):
            return Checksum(algorithm, digest)
    return None
