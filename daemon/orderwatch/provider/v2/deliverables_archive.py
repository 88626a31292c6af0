"""Reads the deliverables of orders as scenes, and links to their assets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from orderwatch.core.model import Capture, CapturePhase, Delivery, Order, SceneFacts
from orderwatch.core.orders.outcome_id import is_same_outcome
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.ports import Offer
from orderwatch.provider.client import ORDERS, HttpClient
from orderwatch.provider.delivery.assets import AssetReader, to_attachment
from orderwatch.provider.delivery.offered_links import LinkCache, Offers, authorized
from orderwatch.provider.pagination import rows
from orderwatch.provider.schemas import RowSource, SchemaReader
from orderwatch.provider.v2.lists import PART_LIST, order_path
from orderwatch.provider.v2.rows import DeliverableRow, flat

_SHARED_SECONDS = 30.0  # one answer serves all captures of an order that are polled together
_OFFERED = {CapturePhase.PUBLISHED, None}  # files count more than an unknown status


@dataclass(frozen=True, slots=True)
class _Scene:
    """One deliverable that has files. `scene_id` is empty if the row cannot be read."""

    scene_id: str
    capture_id: str = ""
    processing_level: str | None = None
    offers: Mapping[str, Offer] = field(default_factory=dict)

    def to_snapshot(self, capture: Capture) -> SceneSnapshot:
        attachments = tuple(to_attachment(name, offer) for name, offer in self.offers.items())
        facts = SceneFacts(
            timestamp=capture.start, satellite_name=capture.satellite_name, product=self.processing_level
        )
        return SceneSnapshot(scene_id=self.scene_id, facts=facts, attachments=attachments, is_part=True)


class DeliverablesArchive:
    """`ports.Archive` over the deliverables of the v2 API."""

    def __init__(self, http: HttpClient, reader: SchemaReader, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._reader = reader
        self._assets = AssetReader(http.credentials.name, reader)
        self._monotonic = monotonic
        self._links = LinkCache("orders", monotonic)
        self._read: dict[str, tuple[float, Sequence[_Scene]]] = {}  # by order, with its time

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]:
        return [
            scene.to_snapshot(capture)
            for scene in await self._shared(order.order_id)
            if not scene.scene_id or is_same_outcome(capture.capture_id, scene.capture_id)
        ]

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        links = self._links.of(order.order_id, partial(self._request, order.order_id))
        return await authorized(self._http, ORDERS, await links.take(delivery.scene_id, delivery.attachment))

    async def _shared(self, order_id: str) -> Sequence[_Scene]:
        now = self._monotonic()
        self._read = {key: read for key, read in self._read.items() if now < read[0] + _SHARED_SECONDS}
        if order_id not in self._read:
            scenes = await self._scenes(order_id)
            self._read[order_id] = now, scenes
            self._links.of(order_id, partial(self._request, order_id)).keep(_offers(scenes))
        return self._read[order_id][1]

    async def _request(self, order_id: str) -> Offers:
        return _offers(await self._scenes(order_id))

    async def _scenes(self, order_id: str) -> Sequence[_Scene]:
        found: dict[str, _Scene] = {}
        list_name = f"deliverables of order {order_id}"
        path = order_path(order_id, "/deliverables")
        async for position, raw in rows(self._http, ORDERS, path, form=PART_LIST):
            row = self._reader.read(DeliverableRow, flat(raw), RowSource(list_name, position))
            if row is None:
                found[""] = _Scene("")
            elif row.phase in _OFFERED:
                found[row.deliverable_id] = self._scene(row)  # if it is listed twice, the later row counts
        return list(found.values())

    def _scene(self, row: DeliverableRow) -> _Scene:
        assets = self._assets.read(row.deliverable_id, row.assets)
        offers = {
            asset.name: asset.to_offer((row.deliverable_id, asset.place, asset.checksum)) for asset in assets
        }
        return _Scene(row.deliverable_id, row.capture_id, row.processing_level, offers)


def _offers(scenes: Sequence[_Scene]) -> Offers:
    return {scene.scene_id: scene.offers for scene in scenes}
