"""Links of assets: at the API, in the bucket, pre-signed for a time."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from aiohttp import web

from orderwatch.simulator.assets.images import Image, content, kind_of
from orderwatch.simulator.documents import Document
from orderwatch.simulator.state import Simulator

BUCKET_PREFIX = "/bucket/"
_PICTURES = ("preview", "thumbnail")
_DATE_FORMAT = "%Y%m%dT%H%M%SZ"


def asset(simulator: Simulator, image: Image, key: str, *, presigned: bool, safe: str = "/") -> Document:
    """Return the link of an asset with its alternate; `safe` characters of the S3 address are not quoted."""
    options = simulator.scenario.assets
    if presigned and options.presigned and key in _PICTURES:
        return {"href": signed(simulator, image, key)}
    https = f"{simulator.api_url}{image.path}/{key}?s={quote(image.s3(key), safe=safe)}"
    s3 = image.s3(key)
    match options.href:
        case "https":
            return {"href": https}
        case "https_alternate":
            return {"href": https, "alternate": {"s3": {"href": s3}}}
        case "s3":
            return {"href": s3}
        case "s3_alternate":
            return {"href": s3, "alternate": {"https": {"href": https}}}


def facts(simulator: Simulator, image: Image, key: str) -> Document:
    """Return checksum and size of an asset, as far as they are shown."""
    options = simulator.scenario.assets
    found: Document = {}
    if options.checksum:
        found["file:checksum"] = f"1220{content(image, key).sha256()}"  # multihash of SHA-256
    if options.file_size:
        found["file:size"] = content(image, key).size
    return found


def described(key: str) -> Document:
    kind = kind_of(key)
    return {"type": kind.media_type, "roles": [kind.role], "title": key}


def signed(simulator: Simulator, image: Image, key: str) -> str:
    """Return a link to the bucket that expires and needs no credentials."""
    date, life = simulator.now().strftime(_DATE_FORMAT), simulator.scenario.assets.signed_life
    path = f"{BUCKET_PREFIX}{image.bucket_path(key)}"
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"SIMULATED/{date[:8]}/eu-central-1/s3/aws4_request",
        "X-Amz-Date": date,
        "X-Amz-Expires": str(life),
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": _signature(simulator, path, date, str(life)),
    }
    words = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{simulator.download_url}{path}?{words}"


def is_valid(simulator: Simulator, request: web.Request) -> bool:
    """Return whether the link of a request to the bucket is signed and has not expired."""
    date, life = (request.query.get(f"X-Amz-{name}", "") for name in ("Date", "Expires"))
    expected = _signature(simulator, request.path, date, life)
    if not hmac.compare_digest(expected, request.query.get("X-Amz-Signature", "")):
        return False
    begins = datetime.strptime(date, _DATE_FORMAT).replace(tzinfo=UTC)
    return simulator.now() < begins + timedelta(seconds=int(life))


def _signature(simulator: Simulator, path: str, date: str, life: str) -> str:
    return hmac.new(simulator.signing_key, f"{path}\n{date}\n{life}".encode(), hashlib.sha256).hexdigest()
