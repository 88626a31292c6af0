"""The tiles of a capture: one item for each collection, square and product version."""

from collections.abc import Iterator
from dataclasses import dataclass

from orderwatch.simulator.archive.settings import TileSet
from orderwatch.simulator.assets.grid import Square, squares
from orderwatch.simulator.assets.images import Image
from orderwatch.simulator.orders import Capture, Order, exact_stamp


@dataclass(frozen=True, slots=True)
class Tile:
    """An item of the archive; `appears` is its second of the scenario, `version` counts from 0."""

    order: Order
    capture: Capture
    tile_set: TileSet
    collection: str
    number: int
    version: int
    appears: float
    square: Square
    item_id: str

    @property
    def level(self) -> str:
        return _level(self.collection)

    @property
    def product_version(self) -> str:
        return f"2.0.{self.version + 1}"

    def image(self, at: float) -> Image | None:
        """Return its image at a moment; None before it appears."""
        if at < self.appears:
            return None
        tiles = self.tile_set
        remade = [second for second in tiles.remade if self.appears < second <= at]
        return Image(
            image_id=self.item_id,
            path=f"/assets/{self.collection}/{self.item_id}",
            folder=f"{self.level}/{self.capture.capture_id}/{self.product_version.replace('.', '_')}",
            run=1 + len(remade),
            modified=max((self.appears, *remade)),
            assets=tiles.assets,
            pixels=tiles.pixels,
            square=self.square,
            zip_size=0,
            capture_id=self.capture.capture_id,
        )


def tiles(order: Order, capture: Capture) -> Iterator[Tile]:
    """Yield the tiles of a capture that is or will be published."""
    wanted = capture.tile_set
    if capture.published is None:
        return
    place = order.captures.index(capture)
    start = exact_stamp(capture, order.task_id, place, 0)
    for number, square in enumerate(squares(order.target, wanted.count, wanted.grid_km)):
        for collection, lag in wanted.collections.items():
            for version, second in enumerate((capture.published + lag, *wanted.newer)):
                item_id = f"{start}_{_level(collection)}_MS_{square.name}_2_0_{version + 1}"
                appears = second + number * wanted.interval
                yield Tile(order, capture, wanted, collection, number, version, appears, square, item_id)


def _level(collection: str) -> str:
    return collection.upper().replace("-", "_")
