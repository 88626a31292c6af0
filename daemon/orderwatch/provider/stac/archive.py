"""Reads scenes of captures, and links to their assets, from the archive's items."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from orderwatch.core.model import Capture, CapturePhase, Delivery, Order, TrackedStatus
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.ports import Offer
from orderwatch.provider.client import ARCHIVE, HttpClient
from orderwatch.provider.delivery.assets import AssetReader
from orderwatch.provider.delivery.availability import Availability
from orderwatch.provider.delivery.offered_links import LinkCache, Offers, authorized
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.stac.items import ItemReader, Scene
from orderwatch.provider.stac.search import CaptureSearch


class StacArchive:
    """`ports.Archive` over the items of the archive."""

    def __init__(self, http: HttpClient, reader: SchemaReader, monotonic: Callable[[], float]) -> None:
        credentials = http.credentials
        self._http = http
        self._search = CaptureSearch(http, monotonic)
        self._items = ItemReader(reader, AssetReader(credentials.name, reader), credentials.collections)
        self._availability = Availability(credentials.name, "stac")
        self._links = LinkCache("archive", monotonic)

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]:
        scenes = await self._scenes(order, capture)
        self._links.of(capture.capture_id, partial(self._request, order, capture)).keep(_offers(scenes))
        return [scene.to_snapshot() for scene in scenes.values()]

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        capture = order.capture(delivery.capture_id) or _unknown(delivery.capture_id)
        links = self._links.of(capture.capture_id, partial(self._request, order, capture))
        return await authorized(self._http, ARCHIVE, await links.take(delivery.scene_id, delivery.attachment))

    async def _request(self, order: Order, capture: Capture) -> Offers:
        return _offers(await self._scenes(order, capture))

    async def _scenes(self, order: Order, capture: Capture) -> Mapping[str, Scene]:
        with self._availability.watch():
            items = await self._search.items(order, capture)
        return self._items.read(f"items of capture {capture.capture_id}", items)


def _offers(scenes: Mapping[str, Scene]) -> Offers:
    return {scene_id: scene.offers for scene_id, scene in scenes.items()}


def _unknown(capture_id: str) -> Capture:
    status: TrackedStatus[CapturePhase] = TrackedStatus(word="", phase=None)
    return Capture(capture_id=capture_id, status=status)
