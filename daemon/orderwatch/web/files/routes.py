"""The paths of stored files: `/files/…` by the key of a delivery."""

from urllib.parse import quote

from aiohttp import hdrs, web

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.ports import Store
from orderwatch.web.files.byte_range import ByteRange, UnsatisfiableError, parse_range
from orderwatch.web.files.headers import etag
from orderwatch.web.files.sender import FileSender, Open
from orderwatch.web.server.access_control import GUARD
from orderwatch.web.server.etag import unchanged

_PARTS = ("account", "order_id", "capture_id", "scene_id", "attachment", "version")
_DISABLED = "403: stored files are not served; to enable this set files = true in [http]\n"


def file_of(delivery: Delivery) -> str:
    """Returns the path of the stored file, with the provider's names quoted."""
    return "/files/" + "/".join(quote(str(part), safe="") for part in delivery.key)


class FileRoutes:
    """Serves what the database records as stored; `open_file` blocks and raises `StoredFileError`."""

    def __init__(self, records: Store, open_file: Open) -> None:
        self._records = records
        self._sender = FileSender(open_file)

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
        return await self._sender.send(request, delivery, _wanted(request, delivery))

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
