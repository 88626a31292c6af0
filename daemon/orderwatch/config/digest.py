"""A digest of the configuration, to see whether several hosts have the same one."""

import json
from hashlib import sha256

from pydantic.main import IncEx

from orderwatch.config.settings import Settings

# What each machine may have for itself, by a variable of its environment.
_OF_ONE_HOST: dict[str, IncEx | bool] = {
    "cluster": {"host"},
    "http": True,
    "log": True,
    "database": True,
    "network": True,
    "delivery": {"parallel", "connections", "bandwidth", "keep_free", "owner", "file_mode", "folder_mode"},
}


def digest_of(settings: Settings) -> str:
    """Return a digest of what every host has to have alike; secrets are not part of it."""
    document = settings.model_dump(exclude={**_OF_ONE_HOST})
    return sha256(json.dumps(document, default=_plain, sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    return sorted(value, key=repr) if isinstance(value, frozenset | set) else repr(value)
