"""Serves delivered thumbnails and previews, if they are stored and pictures by their content."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from aiohttp import web

from orderwatch.core.deliveries.pictures import is_pictured
from orderwatch.core.model import Delivery
from orderwatch.ports import Store
from orderwatch.web.server.etag import tagged, unchanged

_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_PARTS = ("account", "order_id", "capture_id", "scene_id", "attachment", "version")
_NONE = "404: no such picture\n"

Read = Callable[[Delivery], Awaitable[bytes | None]]


def picture_of(delivery: Delivery) -> str:
    """Returns the path of the picture, with the provider's names quoted."""
    return "/pictures/" + "/".join(quote(str(part), safe="") for part in delivery.key)


class Thumbnails:
    """Serves pictures; `read` returns the bytes of a stored file, None if it is unavailable."""

    def __init__(self, records: Store, read: Read) -> None:
        self._records = records
        self._read = read

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/pictures/" + "/".join(f"{{{part}:[^/]+}}" for part in _PARTS), self.picture)

    async def picture(self, request: web.Request) -> web.Response:
        delivery = await self._delivery(tuple(request.match_info[part] for part in _PARTS))
        if delivery is None or delivery.sha256 is None:
            raise web.HTTPNotFound(text=_NONE)
        if (response := unchanged(request, delivery.sha256)) is not None:
            return response
        content = await self._read(delivery) or b""
        kind = next((k for begin, k in _BEGINNINGS.items() if content.startswith(begin)), None)
        if kind is None:
            raise web.HTTPNotFound(text=_NONE)
        return tagged(request, content, kind, delivery.sha256, zipped=False)

    async def _delivery(self, asked: tuple[str, ...]) -> Delivery | None:
        *key, _ = asked
        found = await self._records.deliveries.versions_of(*key)
        return next((d for d in found if is_pictured(d) and tuple(map(str, d.key)) == asked), None)
