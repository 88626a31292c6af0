"""The servers by name: how they start, and what each one states about its files."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import installed, object_stores, python_servers
from tests.servers.server import Server

Start = Callable[[Path], AbstractContextManager[Server]]  # of the folder for cached packages
# Replacements after which a range with the old file's validator in `If-Range` is a range of the new file.
NEWER_BY_TAG, NEWER_BY_DATE, OLDER_BY_DATE = "newer, by its tag", "newer, by its date", "older, by its date"
WITHIN_A_SECOND = "within a second"
IGNORES_IF_RANGE = {NEWER_BY_TAG, NEWER_BY_DATE, OLDER_BY_DATE, WITHIN_A_SECOND}


@dataclass(frozen=True)
class Facts:
    """What a server states and serves; a file without a date of its own has that of its upload."""

    start: Start
    splices: frozenset[str]
    has_ranges: bool = True
    has_tag: bool = True
    has_date: bool = True
    keeps_dates: bool = True


def _facts(start: Start, *splices: str, **others: bool) -> Facts:
    return Facts(start, frozenset(splices), **others)


SERVERS = {
    "nginx": _facts(installed.nginx, WITHIN_A_SECOND),
    "lighttpd": _facts(installed.lighttpd),
    "lighttpd without types": _facts(
        installed.lighttpd_without_types, *IGNORES_IF_RANGE, has_tag=False, has_date=False
    ),
    "apache": _facts(installed.apache),
    "caddy": _facts(installed.caddy, WITHIN_A_SECOND),
    "http.server": _facts(python_servers.http_server, has_ranges=False, has_tag=False),
    "aiohttp": _facts(python_servers.aiohttp, NEWER_BY_TAG, OLDER_BY_DATE, WITHIN_A_SECOND),
    "tornado": _facts(python_servers.tornado, *IGNORES_IF_RANGE),
    "starlette": _facts(python_servers.starlette),
    "twisted": _facts(python_servers.twisted, *IGNORES_IF_RANGE, has_tag=False),
    "moto": _facts(object_stores.moto, *IGNORES_IF_RANGE, keeps_dates=False),
    "azurite": _facts(object_stores.azurite, *IGNORES_IF_RANGE, keeps_dates=False),
}
IN_CI = ("nginx",)
