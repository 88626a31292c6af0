"""The headers of a stored file: bytes from outside that a browser must never run in the page's origin."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from aiohttp import hdrs

from orderwatch.core.deliveries.media_types import media_type
from orderwatch.core.model import Delivery

_SHOWN = {"image/png", "image/jpeg", "application/json", "application/geo+json"}  # others are downloaded
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
_UNSAFE = re.compile(r"[^ -~]|[\"\\%]")  # in a quoted file name


def file_headers(delivery: Delivery) -> dict[str, str]:
    """Returns the headers of the whole file of a stored delivery."""
    name = PurePosixPath(delivery.path or delivery.file_name).name
    kind = media_type(name)
    return {
        hdrs.CONTENT_TYPE: kind,
        hdrs.CONTENT_DISPOSITION: _disposition("inline" if kind in _SHOWN else "attachment", name),
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.ETAG: etag(delivery),
        hdrs.CACHE_CONTROL: "private, no-cache",
        "Content-Security-Policy": _POLICY,
    }


def etag(delivery: Delivery) -> str:
    """Returns the strong ETag: the checksum of the bytes."""
    return f'"{delivery.sha256}"'


def _disposition(kind: str, name: str) -> str:
    plain, exact = _UNSAFE.sub("_", name), quote(name, safe="", errors="replace")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}"
