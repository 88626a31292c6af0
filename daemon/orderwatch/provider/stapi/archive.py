"""Reads the files that the links and assets of an order lead to."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from orderwatch.core.model import Capture, Delivery, Order, SceneFacts
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.ports import Offer
from orderwatch.provider.client import STAPI, HttpClient
from orderwatch.provider.delivery.assets import AssetReader, to_attachment
from orderwatch.provider.delivery.offered_links import LinkCache, Offers, authorized
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.stapi.records import OrderRecords
from orderwatch.provider.stapi.rows import OrderRecord


class StapiArchive:
    """`ports.Archive` over the orders: each has one scene, whose id is the order's."""

    def __init__(
        self,
        http: HttpClient,
        reader: SchemaReader,
        records: OrderRecords,
        monotonic: Callable[[], float],
    ) -> None:
        self._http = http
        self._records = records
        self._assets = AssetReader(http.credentials.name, reader)
        self._offered = LinkCache(STAPI.name, monotonic)

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]:
        del capture
        record = await self._records.shared(order.order_id)
        offers = self._offers(record)
        if not offers:
            return []
        attachments = tuple(to_attachment(name, offer) for name, offer in offers.items())
        facts = SceneFacts(product=record.row.properties.product_id)
        return [SceneSnapshot(scene_id=order.order_id, facts=facts, attachments=attachments, is_part=True)]

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        links = self._offered.of(order.order_id, partial(self._request, order.order_id))
        return await authorized(self._http, STAPI, await links.take(delivery.scene_id, delivery.attachment))

    async def _request(self, order_id: str) -> Offers:
        return {order_id: self._offers(await self._records.read(order_id))}

    def _offers(self, record: OrderRecord) -> Mapping[str, Offer]:
        order_id = record.row.id
        found = self._assets.read(order_id, record.files)
        return {asset.name: asset.to_offer((order_id, asset.place, asset.checksum)) for asset in found}
