"""Options of the archive, and the tiles of a capture."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from orderwatch.simulator.documents import Frozen

ASSETS = ("visual", "analytic", "cloud", "preview", "thumbnail", "toa_factors", "internal_metrics")


class TileSet(Frozen):
    """The tiles of a capture: `count` of them in each collection, one item each.

    A collection has the number of seconds after the capture's publication when its first tile appears; each
    further tile follows after `interval`. At each second of `remade` a new run replaces the files of every
    tile; at each second of `newer` an item of the next product version appears beside the old ones.
    """

    count: int = Field(default=1, ge=0)
    grid_km: Literal[2, 4] = 4
    pixels: int = Field(default=16, ge=1)  # per side
    collections: Mapping[str, float] = {"l1d-sr": 0.0}
    interval: float = Field(default=0.0, ge=0)
    remade: tuple[float, ...] = ()
    newer: tuple[float, ...] = ()
    assets: tuple[str, ...] = ASSETS


def parse_tiles(value: object) -> object:
    """Parse a number of tiles; returns anything else unchanged."""
    return {"count": value} if isinstance(value, int) else value


Tiles = Annotated[TileSet, BeforeValidator(parse_tiles)]


class Archive(Frozen):
    """`cql2` is what happens to a `filter`: it is honoured, ignored, or refused with a status code."""

    page_size: int = Field(default=10, ge=1)
    page_max: int = Field(default=1000, ge=1)
    cql2: Literal["honoured", "ignored", 400, 403, 422] = "honoured"
    repeat_token: bool = False  # every page has a `next` with the same token
    empty_last: bool = False  # an empty page follows the last row
    nine_digits: bool = False  # fractions of seconds
