"""The headers of a stored file: bytes from outside that a browser must never run in the page's origin."""

from aiohttp import hdrs

from orderwatch.core.deliveries.media_types import disposition, media_type
from orderwatch.core.model import Delivery

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"


def file_headers(delivery: Delivery) -> dict[str, str]:
    """Returns the headers of the whole file of a stored delivery."""
    path = delivery.path or delivery.file_name
    return {
        hdrs.CONTENT_TYPE: media_type(path),
        hdrs.CONTENT_DISPOSITION: disposition(path),
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.ETAG: etag(delivery),
        hdrs.CACHE_CONTROL: "private, no-cache",
        "Content-Security-Policy": _POLICY,
    }


def etag(delivery: Delivery) -> str:
    """Returns the strong ETag: the checksum of the bytes."""
    return f'"{delivery.sha256}"'
