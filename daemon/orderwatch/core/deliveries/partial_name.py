"""The name of a partial, the file that a delivery's bytes are downloaded into."""

import hashlib

from orderwatch.core.model import Delivery

_DIGEST_CHARACTERS = 24


def partial_name(delivery: Delivery) -> str:
    """Returns a name unique for the published file, so that other bytes are never appended."""
    identity = "\0".join((*map(str, delivery.key), delivery.fingerprint))
    return f"{hashlib.sha256(identity.encode()).hexdigest()[:_DIGEST_CHARACTERS]}.part"
