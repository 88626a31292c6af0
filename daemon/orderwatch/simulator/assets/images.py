"""A processed image: what a tile of the archive and a deliverable have in common."""

import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import orjson

from orderwatch.simulator.assets.grid import Square
from orderwatch.simulator.assets.rasters import ANALYTIC, CLOUD, VISUAL, geotiff
from orderwatch.simulator.attachments import Content, Small
from orderwatch.simulator.pictures import fields
from orderwatch.simulator.zips import VirtualZip

BUCKET = "simulated-eo-catalog"
_CACHED_FILES = 16
_PICTURES = {"preview": 128, "thumbnail": 64}
_RASTERS = {"visual": VISUAL, "visual_fullres": VISUAL, "analytic": ANALYTIC, "cloud": CLOUD}


@dataclass(frozen=True, slots=True)
class Image:
    """An image at this moment; `folder` is its place in the bucket, `run` counts its processing runs."""

    image_id: str
    path: str  # of its assets at the API
    folder: str
    run: int
    modified: float  # second of the scenario
    assets: tuple[str, ...]
    pixels: int
    square: Square
    zip_size: int
    capture_id: str

    def file_name(self, key: str) -> str:
        return f"{self.image_id}_{key}{kind_of(key).suffix}"

    def bucket_path(self, key: str) -> str:
        return f"{self.folder}/{self.file_name(key)}"

    def s3(self, key: str) -> str:
        return f"s3://{BUCKET}/{self.bucket_path(key)}"


class Kind(NamedTuple):
    suffix: str
    media_type: str
    role: str


_GEOTIFF = "image/tiff; application=geotiff"
_FEATURES = Kind(".geojson", "application/geo+json", "data")
_KINDS = {
    "visual": Kind(".tif", _GEOTIFF, "data"),
    "visual_fullres": Kind(".tif", _GEOTIFF, "data"),
    "analytic": Kind(".tif", _GEOTIFF, "data"),
    "cloud": Kind(".tif", _GEOTIFF, "cloud"),
    "preview": Kind(".png", "image/png", "overview"),
    "thumbnail": Kind(".png", "image/png", "thumbnail"),
    "toa_factors": Kind(".json", "application/json", "metadata"),
    "internal_metrics": Kind(".zip", "application/zip", "metadata"),
    "delivery_zip": Kind(".zip", "application/zip", "data"),
}


def kind_of(key: str) -> Kind:
    """Return what kind of file an asset is; an unknown key is a list of features."""
    return _KINDS.get(key, _FEATURES)


@lru_cache(maxsize=_CACHED_FILES)
def content(image: Image, key: str) -> Content:
    """Return the bytes of an asset, generated on request."""
    seed = f"{image.image_id}/{key}/{image.run}"
    if key == "delivery_zip":
        facts = {"metadata_stac.geojson": orjson.dumps({"id": image.image_id, "run": image.run})}
        return VirtualZip(image.image_id, image.run, image.zip_size, facts)
    if key in _RASTERS:
        return Small(geotiff(_RASTERS[key], image.pixels, image.square, seed))
    if key in _PICTURES:
        return Small(fields(_PICTURES[key], seed))
    if key == "toa_factors":
        return Small(orjson.dumps({"id": image.image_id, "run": image.run, "red": 0.0001, "nir": 0.00012}))
    if key == "internal_metrics":
        return Small(_zipped("metrics.json", orjson.dumps({"id": image.image_id, "run": image.run})))
    feature = {"type": "Feature", "geometry": None, "properties": {"id": image.image_id, "run": image.run}}
    return Small(orjson.dumps({"type": "FeatureCollection", "features": [feature]}))


def _zipped(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return packed.getvalue()
