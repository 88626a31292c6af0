"""Answers with strong ETags, compressed, or 304 if the client has the body."""

import asyncio
import gzip
import hashlib
import re
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import hdrs, web

_MIN_GZIP_BYTES = 1000  # from here on compression saves a packet
_MIN_THREAD_BYTES = 100_000  # from here on compression blocks the loop too long
_GZIP_LEVEL = 5
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_ZERO_QUALITY = re.compile(r"q=0(\.0{0,3})?")


async def answered(request: web.Request, body: bytes, kind: str) -> web.Response:
    """Returns the body as `kind`, compressed if accepted and worthwhile, or 304."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    zipped = len(body) >= _MIN_GZIP_BYTES and takes_gzip(request)
    if (response := unchanged(request, tag, zipped=zipped)) is not None:
        return response
    if zipped:
        large = len(body) >= _MIN_THREAD_BYTES
        body = await asyncio.to_thread(_zip, body) if large else _zip(body)
    return tagged(request, body, kind, tag, zipped=zipped)


class Packed(NamedTuple):
    """A body for several clients, `zipped` if worthwhile."""

    body: bytes
    kind: str
    tag: str
    zipped: bool


async def packed(body: bytes, kind: str) -> Packed:
    zipped = len(body) >= _MIN_GZIP_BYTES
    tag = hashlib.sha256(body).hexdigest()[:32]
    return Packed(await asyncio.to_thread(_zip, body) if zipped else body, kind, tag, zipped)


async def sent(request: web.Request, one: Packed) -> web.Response:
    """Returns the body as the client accepts it, or 304."""
    if not one.zipped or takes_gzip(request):
        return tagged(request, one.body, one.kind, one.tag, zipped=one.zipped)
    return tagged(
        request, await asyncio.to_thread(gzip.decompress, one.body), one.kind, one.tag, zipped=False
    )


def tagged(request: web.Request, body: bytes, kind: str, tag: str, *, zipped: bool) -> web.Response:
    """Returns the body unchanged, `zipped` or plain, or 304."""
    headers = {**_headers(tag, zipped=zipped), hdrs.CONTENT_TYPE: kind}
    return unchanged(request, tag, zipped=zipped) or web.Response(body=body, headers=headers)


def unchanged(request: web.Request, tag: str, *, zipped: bool = False) -> web.Response | None:
    """Returns 304 if `If-None-Match` has the tag, so that the body need not be made."""
    asked = ",".join(request.headers.getall(hdrs.IF_NONE_MATCH, []))
    if asked.strip() != "*" and _quoted(tag, zipped=zipped) not in _TAG.findall(asked):
        return None
    headers = _headers(tag, zipped=zipped)
    headers.pop(hdrs.CONTENT_ENCODING, None)  # there is no content
    return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)


def takes_gzip(request: web.Request) -> bool:
    """Returns whether `Accept-Encoding` has gzip without a quality of 0."""
    for offer in ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, [])).lower().split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name in {"gzip", "x-gzip"}:
            return not any(_ZERO_QUALITY.fullmatch(parameter) for parameter in parameters)
    return False


def _headers(tag: str, *, zipped: bool) -> dict[str, str]:
    headers: dict[str, str] = {
        hdrs.ETAG: _quoted(tag, zipped=zipped),
        hdrs.CACHE_CONTROL: "no-cache",
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
    }
    if zipped:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    return headers


def _quoted(tag: str, *, zipped: bool) -> str:
    """Returns the ETag; a strong one differs for zipped bytes."""
    return f'"{tag}-gz"' if zipped else f'"{tag}"'


def _zip(body: bytes) -> bytes:
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)
