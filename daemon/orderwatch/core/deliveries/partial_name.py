"""The name of a partial, the file that a delivery's bytes are downloaded into."""

import hashlib

from orderwatch.core.model import Delivery

_DIGEST_CHARACTERS = 24


def partial_name(delivery: Delivery) -> str:
    """Returns a name unique for the published file and the claim.

    So other bytes are never appended, and no claim writes into the partial of another. Before the first claim
    the name has no fence, as in older versions.
    """
    identity = "\0".join((*map(str, delivery.key), delivery.fingerprint))
    fence = f".{delivery.fence}" if delivery.fence else ""
    return f"{hashlib.sha256(identity.encode()).hexdigest()[:_DIGEST_CHARACTERS]}{fence}.part"


def stem_of(part: str) -> str:
    """Returns what the names of all partials of a delivery begin with."""
    return part.partition(".")[0]


def fence_of(part: str) -> int:
    """Returns the fence in the name of a partial, or of a file beside it."""
    fence = part.split(".")[1:2]
    return int(fence[0]) if fence and fence[0].isdecimal() else 0
