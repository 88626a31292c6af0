"""A checksum that the provider promises for a file."""

from typing import NamedTuple


class Checksum(NamedTuple):
    """`algorithm` is a name of hashlib, `digest` is in hex."""

    algorithm: str
    digest: str
