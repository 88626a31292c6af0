"""A member of a zip, and what can be wrong with it."""

from dataclasses import dataclass

from orderwatch.errors import BadBytesError
from orderwatch.transfer.zip.records import UNSUPPORTED_METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file or folder of a zip. `start` is where its packed bytes begin; sizes in bytes."""

    name: str
    start: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int  # general purpose flags
    mode: int  # Unix file type and permissions; 0 if the zip has none


def corrupt(member: Member, reason: object) -> BadBytesError:
    return BadBytesError(f"cannot read the zip: {member.name!r:.99}: {reason}")


def mismatch(member: Member) -> BadBytesError:
    return BadBytesError(f"cannot read the zip: {member.name!r:.99} does not match its size and checksum")


def unsupported(name: str, method: int) -> BadBytesError:
    uses = f"{UNSUPPORTED_METHODS.get(method, 'an unknown compression')} (method {method})"
    return BadBytesError(f"the zip member {name!r:.99} uses {uses}, which orderwatch cannot verify")
