"""The features of the map, made once per version of an order."""

from dataclasses import replace

import orjson

from orderwatch.core.geo.geojson import Feature, features
from orderwatch.core.model import Order
from orderwatch.core.orders.completeness import display_state
from orderwatch.ports import Detail, Store
from orderwatch.ports.queries import Search, Sort
from orderwatch.web.pages.template_filters import page_of

MAX_ORDERS = 1000
_ORDERS_PER_QUERY = 50  # so that other readers get their turn
_PROPERTIES = ("kind", "task_name", "project_name", "status", "satellite_name", "datetime")


class OrderMap:
    def __init__(self, records: Store) -> None:
        self._records = records
        self._drawn: dict[int, tuple[int, bytes]] = {}  # by row: its version, and the features

    async def map(self, search: Search) -> bytes:
        """Returns a FeatureCollection of the matching orders, the `MAX_ORDERS` last changed at most."""
        newest = replace(search, sort=Sort.MOVED, descending=True, offset=0, limit=MAX_ORDERS)
        versions = (await self._records.search.versions(newest)).versions
        held = self._drawn
        drawn = {row: held[row] for row, version in versions if row in held and held[row][0] == version}
        lacking = [row for row, _ in versions if row not in drawn]
        for first in range(0, len(lacking), _ORDERS_PER_QUERY):
            found = await self._records.search.in_rows(
                lacking[first : first + _ORDERS_PER_QUERY], Detail.SCENES
            )
            fresh = {row: (order.version, features_of(order)) for row, order in found.items()}
            drawn |= fresh
            self._drawn |= fresh  # also if the viewers leave before the last one: the next map continues
        self._drawn = drawn if len(self._drawn) > MAX_ORDERS else self._drawn | drawn
        return collection(*(drawn[row][1] for row, _ in versions))


def collection(*drawn: bytes) -> bytes:
    """Returns a FeatureCollection of results of `features_of`."""
    return b'{"type":"FeatureCollection","features":[%s]}' % b",".join(filter(None, drawn))


def features_of(order: Order) -> bytes:
    """Returns features separated by commas; their `facts` are a colour and a page."""
    facts = {"tone": display_state(order), "page": page_of(order)}
    return b",".join(
        orjson.dumps({**one, "properties": _properties(one), "facts": facts}) for one in features(order)
    )


def _properties(feature: Feature) -> dict[str, object]:
    properties = feature["properties"]
    assert isinstance(properties, dict)  # noqa: S101 - ours
    return {name: properties[name] for name in _PROPERTIES if properties.get(name) is not None}
