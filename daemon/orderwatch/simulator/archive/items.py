"""Items of the archive as documents."""

import hashlib
from datetime import datetime, timedelta

from orderwatch.simulator.archive.tiles import Tile
from orderwatch.simulator.assets import links
from orderwatch.simulator.assets.images import Image
from orderwatch.simulator.documents import Document
from orderwatch.simulator.state import Simulator

_EXTENSIONS = ("projection/v1.1.0", "eo/v1.1.0", "view/v1.0.0", "grid/v1.1.0")
_TILES_TAKE_SECONDS = 1.3
_METRES_PER_KM = 1000.0


def item(simulator: Simulator, tile: Tile, image: Image) -> Document:
    """Return the STAC item of a visible tile."""
    polygon = {"type": "Polygon", "coordinates": [tile.square.ring]}
    address = f"{simulator.api_url}/archive/stac/collections/{tile.collection}/items/{tile.item_id}"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [f"https://stac-extensions.github.io/{name}/schema.json" for name in _EXTENSIONS],
        "id": tile.item_id,
        "collection": tile.collection,
        "bbox": list(tile.square.bounds),
        "geometry": polygon,
        "tile_geometry": polygon,
        "properties": _properties(simulator, tile, image),
        "links": [{"rel": "self", "type": "application/geo+json", "href": address}],
        "assets": {key: _asset(simulator, image, key) for key in image.assets},
    }


def taken(simulator: Simulator, tile: Tile) -> datetime:
    """Return when a tile was taken: not at the same moment as its neighbours."""
    offset = _TILES_TAKE_SECONDS * tile.number / max(tile.tile_set.count, 1)
    return simulator.world.moment(tile.capture.taken) + timedelta(seconds=offset)


def _properties(simulator: Simulator, tile: Tile, image: Image) -> Document:
    square, run = tile.square, f"{tile.capture.capture_id}/{tile.collection}/{tile.version}/{image.run}"
    metres = square.side * _METRES_PER_KM / image.pixels
    west, top = square.easting * _METRES_PER_KM, (square.northing + square.side) * _METRES_PER_KM
    return {
        "datetime": _time(simulator, taken(simulator, tile)),
        "platform": tile.capture.satellite_name,
        "instruments": ["ms"],
        "gsd": 0.7,
        "collection": tile.collection,
        "grid:code": square.code,
        "proj:epsg": square.epsg,
        "proj:shape": [image.pixels, image.pixels],
        "proj:transform": [metres, 0.0, west, 0.0, -metres, top, 0.0, 0.0, 1.0],
        "eo:cloud_cover": 7.214285714285714 * (tile.number % 13) if tile.number else 0,
        "view:off_nadir": 9.41,
        "view:azimuth": 118.02,
        "view:sun_azimuth": 121.4,
        "view:sun_elevation": 51.33,
        "satl:outcome_id": tile.capture.capture_id,
        "satl:product_name": tile.level,
        "satl:product_version": tile.product_version,
        "satl:last_modified": _time(simulator, simulator.world.moment(image.modified)),
        "satl:transaction_id": f"{tile.collection}-{hashlib.sha256(run.encode()).hexdigest()[:5]}",
        "satl:software_version": "0.82.0",
        "satl:satellite_generation": "MarkIV",
        "satl:valid_pixel": 96.5,
        "satl:ground_lock": True,
    }


def _asset(simulator: Simulator, image: Image, key: str) -> Document:
    link = links.asset(simulator, image, key, presigned=True)
    return link | links.described(key) | links.facts(simulator, image, key)


def _time(simulator: Simulator, moment: datetime) -> str:
    digits = "123" if simulator.scenario.archive.nine_digits else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}{digits}+00:00"
