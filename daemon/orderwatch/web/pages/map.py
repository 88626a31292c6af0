"""The map's features, drawn once for each time that an order was written."""

from dataclasses import replace

import orjson

from orderwatch.core.geo.geojson import Feature, features
from orderwatch.core.model import Order
from orderwatch.core.orders.order_state import display_state
from orderwatch.ports.queries import Records, Search, Sort
from orderwatch.web.pages.template_filters import page_of

MOST = 1000  # orders on the map
_PART = 50  # orders that are read at once; others have their turn between two
_TOLD = ("kind", "task_name", "project_name", "status", "satellite_name", "datetime")


class OrderMap:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._drawn: dict[int, tuple[int, bytes]] = {}  # by row: its version, and the features

    async def map(self, search: Search) -> bytes:
        """A FeatureCollection of those searched for that moved last, at most `MOST` orders."""
        newest = replace(search, sort=Sort.MOVED, descending=True, offset=0, limit=MOST)
        versions = await self._records.versions(newest)
        held = self._drawn
        drawn = {row: held[row] for row, version in versions if row in held and held[row][0] == version}
        lacking = [row for row, _ in versions if row not in drawn]
        for first in range(0, len(lacking), _PART):
            found = await self._records.orders_at(lacking[first : first + _PART])
            drawn |= {row: (order.version, features_of(order)) for row, order in found.items()}
        self._drawn = drawn if len(self._drawn) > MOST else self._drawn | drawn
        return collection(*(drawn[row][1] for row, _ in versions))


def collection(*drawn: bytes) -> bytes:
    """A FeatureCollection of what `features_of` gave."""
    return b'{"type":"FeatureCollection","features":[%s]}' % b",".join(filter(None, drawn))


def features_of(order: Order) -> bytes:
    """Features with a comma between each two; `facts` are a tone and a page."""
    facts = {"tone": display_state(order), "page": page_of(order)}
    return b",".join(
        orjson.dumps({**one, "properties": _told(one), "facts": facts}) for one in features(order)
    )


def _told(feature: Feature) -> dict[str, object]:
    properties = feature["properties"]
    assert isinstance(properties, dict)  # noqa: S101 - ours
    return {name: properties[name] for name in _TOLD if properties.get(name) is not None}
