"""The pages of what is stored: the gallery of all orders, and the files of one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from orderwatch.ports import Detail, Store
from orderwatch.web.pages.gallery_address import PATH, parse_address
from orderwatch.web.pages.page_renderer import PageRenderer
from orderwatch.web.row_numbers import number_of
from orderwatch.web.server.access_control import GUARD
from orderwatch.web.server.etag import Packed, sent
from orderwatch.web.server.response_cache import ResponseCache

_SCENES_PER_PAGE = 60
_FILES_PER_PAGE = 200

Page = Callable[[web.Request], Awaitable[Packed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryPages:
    """Reads pictures and files of `records`."""

    records: Store
    renderer: PageRenderer
    sharing: ResponseCache

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(PATH, self._shared(self.gallery))
        app.router.add_get("/orders/{account:[^/]+}/{order_id:[^/]+}/files", self._shared(self.files))

    def _shared(self, page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            return await sent(request, await self.sharing.answer(request.path_qs, partial(page, request)))

        return handler

    async def gallery(self, request: web.Request) -> Packed:
        """Returns the scenes with pictures that the address names, newest first."""
        address = parse_address(request.query)
        scenes = await self.records.gallery.page(address.search(_SCENES_PER_PAGE + 1))
        shown, choices = scenes[:_SCENES_PER_PAGE], await self.records.search.choices()
        return await self.renderer.page(
            "gallery.html",
            here="gallery",
            address=address,
            scenes=shown,
            newest=address.link() if address.after else None,
            older=address.link(shown[-1].position) if len(scenes) > len(shown) else None,
            choices=[
                ("account", "Account", choices.accounts, address.account),
                ("project", "Project", choices.projects, address.project),
            ],
            files_served=request.app[GUARD].files,
        )

    async def files(self, request: web.Request) -> Packed:
        """Returns the stored files of one order."""
        account, order_id = request.match_info["account"], request.match_info["order_id"]
        order = await self.records.orders.get(account, order_id, Detail.NONE)
        if order is None:
            raise web.HTTPNotFound(text="404: no such order\n")
        after = number_of(request.query.get("after", "")) or 0
        page = await self.records.gallery.files(account, order_id, after, _FILES_PER_PAGE)
        return await self.renderer.page(
            "files.html", here="orders", order=order, page=page, files_served=request.app[GUARD].files
        )
