"""The paths of stored files: `/files/…` by the key of a delivery."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.errors import DiskError, StoredFileError
from orderwatch.ports import Store
from orderwatch.web.files.byte_range import ByteRange, UnsatisfiableError, parse_range
from orderwatch.web.files.headers import etag
from orderwatch.web.files.sender import FileSender, Open, names_of, refused
from orderwatch.web.server.access_control import GUARD
from orderwatch.web.server.etag import unchanged

log = structlog.get_logger()

_PARTS = ("account", "order_id", "capture_id", "scene_id", "attachment", "version")
_DISABLED = "403: stored files are not served; to enable this set files = true in [http]\n"

Link = Callable[[Delivery, str], Awaitable[str | None]]


def file_of(delivery: Delivery) -> str:
    """Returns the path of the stored file, with the provider's names quoted."""
    return "/files/" + "/".join(quote(str(part), safe="") for part in delivery.key)


class FileRoutes:
    """Serves what the database records as stored, or leads to the object store that has it.

    `open_file` blocks. `link` returns a link for this method, None if the file is on this machine. Both raise
    `StoredFileError`.
    """

    def __init__(self, records: Store, open_file: Open, link: Link) -> None:
        self._records = records
        self._sender = FileSender(open_file)
        self._link = link

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/files/" + "/".join(f"{{{part}:[^/]+}}" for part in _PARTS), self.file)

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Sends the file, or the part that the request wants."""
        if not request.app[GUARD].files:
            raise web.HTTPForbidden(text=_DISABLED)
        delivery = await self._stored(request)
        if not _matches(request, delivery):
            raise web.HTTPPreconditionFailed(text="412: the file is another one\n")
        if (response := unchanged(request, delivery.sha256 or "")) is not None:
            return response
        if (link := await self._linked(request, delivery)) is not None:
            log.info("http.file_linked", **names_of(request, delivery))
            # Not `HTTPTemporaryRedirect`, which writes the query in another form than the signed one.
            status, headers = HTTPStatus.TEMPORARY_REDIRECT, {hdrs.LOCATION: link}
            return web.Response(status=status, headers=headers, text="307: the file is in a bucket\n")
        return await self._sender.send(request, delivery, _wanted(request, delivery))

    async def _linked(self, request: web.Request, delivery: Delivery) -> str | None:
        try:
            return await self._link(delivery, request.method)
        except StoredFileError as error:
            raise refused(request, delivery, error) from error
        except DiskError as error:
            raise web.HTTPServiceUnavailable(text=f"503: {error}\n") from error

    async def _stored(self, request: web.Request) -> Delivery:
        *key, version = (request.match_info[part] for part in _PARTS)
        for found in await self._records.deliveries.versions_of(*key):
            if str(found.version) == version and found.state is DeliveryState.STORED:
                return found
        raise web.HTTPNotFound(text="404: no such stored file\n")


def _matches(request: web.Request, delivery: Delivery) -> bool:
    """Returns whether `If-Match`, if there is one, has the file."""
    tags = request.if_match
    return tags is None or any(tag.value in {"*", delivery.sha256} and not tag.is_weak for tag in tags)


def _wanted(request: web.Request, delivery: Delivery) -> ByteRange | None:
    """Returns the range that the request wants of this file, None for all of it."""
    if request.method != hdrs.METH_GET:
        return None
    if request.headers.get(hdrs.IF_RANGE, etag(delivery)).strip() != etag(delivery):
        return None  # the client has the beginning of another file
    size = delivery.size or 0
    try:
        return parse_range(request.headers.get(hdrs.RANGE, ""), size)
    except UnsatisfiableError as error:
        headers = {hdrs.CONTENT_RANGE: f"bytes */{size}"}
        raise web.HTTPRequestRangeNotSatisfiable(
            text="416: the file ends before this range begins\n", headers=headers
        ) from error
