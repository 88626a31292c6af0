"""Finds tiles and deliverables of a scenario by their IDs."""

from collections.abc import Iterator
from functools import cached_property

from orderwatch.simulator.archive.tiles import Tile, tiles
from orderwatch.simulator.assets.images import Image
from orderwatch.simulator.orders import Order
from orderwatch.simulator.scenario import Scenario
from orderwatch.simulator.v2.products import Product, products


class Index:
    """Everything of a scenario that has assets."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    @cached_property
    def tiles(self) -> dict[str, Tile]:
        return {
            tile.item_id: tile
            for order in self.scenario.orders
            for capture in order.captures
            for tile in tiles(order, capture)
        }

    @cached_property
    def products_of(self) -> dict[str, list[Product]]:
        """Deliverables, shown or not, by the ID of their order."""
        return {
            order.order_id: [product for capture in order.captures for product in products(order, capture)]
            for order in self.scenario.orders
        }

    @cached_property
    def products(self) -> dict[str, Product]:
        """Deliverables by their ID."""
        return {product.deliverable_id: product for found in self.products_of.values() for product in found}

    @cached_property
    def _by_scene(self) -> dict[str, Product]:
        return {product.scene_id: product for product in self.products.values()}

    def image(self, image_id: str, at: float) -> tuple[Image, Order] | None:
        """Return a visible image with its order."""
        found = self.tiles.get(image_id) or self._by_scene.get(image_id)
        image = None if found is None else found.image(at)
        return None if found is None or image is None else (image, found.order)

    def named(self, file_name: str, at: float) -> tuple[Image, Order, str] | None:
        """Return a visible image by the name of one of its files, with its order and the asset's key."""
        stem = file_name.rpartition(".")[0]
        for place in _places(stem):
            found = self.image(stem[:place], at)
            if found is not None and stem[place + 1 :] in found[0].assets:
                return *found, stem[place + 1 :]
        return None


def _places(stem: str) -> Iterator[int]:
    """Yield where a file name may be divided into image and asset, from the end."""
    place = stem.rfind("_")
    while place > 0:
        yield place
        place = stem.rfind("_", 0, place)
