"""The root of a delivery tree: a folder, or a prefix in a bucket of S3."""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

SCHEME = "s3://"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_EXPECTED = "must be s3://BUCKET or s3://BUCKET/PREFIX"
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class BucketRoot:
    """A prefix in a bucket, without slashes at its ends; empty for the whole bucket."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def __truediv__(self, path: str) -> str:
        """Return the address of a path below the root, to show it."""
        return f"{self}/{path}"

    @property
    def folder(self) -> str:
        """What the keys of all paths below the root begin with."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def name(self) -> str:
        """A name for a folder of this machine that belongs to the root."""
        return f"{self.bucket}-{sha256(str(self).encode()).hexdigest()[:_DIGEST_CHARACTERS]}"

    def key(self, path: str) -> str:
        """Return the key of a path below the root."""
        return f"{self.folder}{path}"

    def path(self, key: str) -> str:
        """Return the path below the root of a key that begins with `folder`."""
        return key.removeprefix(self.folder)

    def below(self, other: "BucketRoot") -> str | None:
        """Return the path of this root below another one; None if it is not below it."""
        if self.bucket != other.bucket or self == other or not self.prefix.startswith(other.folder):
            return None
        return other.path(self.prefix)


DeliveryRoot = Path | BucketRoot


def parse_root(text: str) -> DeliveryRoot:
    """Parse the root of a delivery tree. Raises `ValueError` if it is not a valid address of a bucket."""
    return _parse_bucket(text.removeprefix(SCHEME)) if text.startswith(SCHEME) else Path(text)


def _parse_bucket(text: str) -> BucketRoot:
    bucket, _, prefix = text.partition("/")
    prefix = prefix.rstrip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(_EXPECTED)
    if not prefix.isprintable() or (prefix and any(part in {"", ".", ".."} for part in prefix.split("/"))):
        raise ValueError(f"{_EXPECTED}, the prefix without empty or dotted parts")
    return BucketRoot(bucket, prefix)
