"""Bodies with a strong ETag: whoever has one already is told that it still holds."""

import asyncio
import gzip
import hashlib
import re
from http import HTTPStatus
from typing import NamedTuple

from aiohttp import hdrs, web

_WORTH = 1000  # bytes, from which on compressing saves a packet
_LARGE = 100_000  # bytes, from which on it takes longer than others should wait
_LEVEL = 5
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_REFUSED = re.compile(r"q=0(\.0{0,3})?")


async def answered(request: web.Request, body: bytes, kind: str) -> web.Response:
    """The body as `kind`, compressed where that is accepted and pays; or 304."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    zipped = len(body) >= _WORTH and takes_gzip(request)
    if (response := unchanged(request, tag, zipped=zipped)) is not None:
        return response
    if zipped:
        large = len(body) >= _LARGE
        body = await asyncio.to_thread(_zip, body) if large else _zip(body)
    return tagged(request, body, kind, tag, zipped=zipped)


class Packed(NamedTuple):
    """A body that is sent to many, `zipped` where that pays."""

    body: bytes
    kind: str
    tag: str
    zipped: bool


async def packed(body: bytes, kind: str) -> Packed:
    zipped = len(body) >= _WORTH
    tag = hashlib.sha256(body).hexdigest()[:32]
    return Packed(await asyncio.to_thread(_zip, body) if zipped else body, kind, tag, zipped)


async def sent(request: web.Request, one: Packed) -> web.Response:
    """As the viewer accepts it; or 304."""
    if not one.zipped or takes_gzip(request):
        return tagged(request, one.body, one.kind, one.tag, zipped=one.zipped)
    return tagged(
        request, await asyncio.to_thread(gzip.decompress, one.body), one.kind, one.tag, zipped=False
    )


def tagged(request: web.Request, body: bytes, kind: str, tag: str, *, zipped: bool) -> web.Response:
    """The body as it is, `zipped` already or plain; or 304."""
    headers = {**_headers(tag, zipped=zipped), hdrs.CONTENT_TYPE: kind}
    return unchanged(request, tag, zipped=zipped) or web.Response(body=body, headers=headers)


def unchanged(request: web.Request, tag: str, *, zipped: bool = False) -> web.Response | None:
    """304 where `If-None-Match` names what would be sent: before it is made, for who knows its tag."""
    asked = ",".join(request.headers.getall(hdrs.IF_NONE_MATCH, []))
    if asked.strip() != "*" and _quoted(tag, zipped=zipped) not in _TAG.findall(asked):
        return None
    headers = _headers(tag, zipped=zipped)
    headers.pop(hdrs.CONTENT_ENCODING, None)  # there is no content
    return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)


def takes_gzip(request: web.Request) -> bool:
    """Whether `Accept-Encoding` names gzip, and does not refuse it by a quality of 0."""
    for offer in ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, [])).lower().split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name in {"gzip", "x-gzip"}:
            return not any(_REFUSED.fullmatch(parameter) for parameter in parameters)
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
    """Other bytes have another strong tag, and the same words zipped are other bytes."""
    return f'"{tag}-gz"' if zipped else f'"{tag}"'


def _zip(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)
