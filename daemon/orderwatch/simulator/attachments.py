"""The files of a scene: real bytes for each attachment."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import orjson

from orderwatch.simulator.documents import Document
from orderwatch.simulator.pictures import fields, landscape
from orderwatch.simulator.scenario import Attachment
from orderwatch.simulator.zips import VirtualZip

MEDIA_TYPES = {
    "delivery_zip": "application/zip",
    "footprint": "application/vnd.google-earth.kml+xml",
    "thumbnail": "image/png",
    "preview": "image/png",
}


class Readable(Protocol):
    """Bytes with random access; `prepare` may take long and should run in a thread."""

    @property
    def size(self) -> int: ...
    def prepare(self) -> None: ...
    def read(self, offset: int, length: int) -> bytes: ...


class Content(Readable, Protocol):
    """The bytes of an attachment; `sha256` may take long too."""

    @property
    def etag(self) -> str: ...
    def sha256(self) -> str: ...


class Small:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.etag = f'"{self.sha256()[:32]}"'

    def prepare(self) -> None: ...

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def sha256(self) -> str:
        return hashlib.sha256(self._data).hexdigest()


def content(name: Attachment, scene: Document, revision: int, size: int, *, scenic: bool = False) -> Content:
    """Return the bytes of a scene's attachment at a revision; `size` is that of the zip."""
    drawn = landscape if scenic else fields
    footprint = _kml(scene["scene_id"], scene["footprint"]["coordinates"][0])
    match name:
        case "delivery_zip":
            facts = {"revision": revision} | {key: scene[key] for key in _FACTS}
            small = {"metadata.json": orjson.dumps(facts), "footprint.kml": footprint}
            return VirtualZip(scene["scene_id"], revision, size, small)
        case "footprint":
            return Small(footprint)
        case "thumbnail":
            return Small(drawn(64, scene["scene_id"]))
        case "preview":
            return Small(drawn(128, scene["scene_id"]))


# No times: they depend on the simulator's start, and a revision must keep its bytes.
_FACTS = ("scene_id", "sceneset_id", "satellite_name", "productname", "footprint", "metadata")


def _kml(name: str, ring: Sequence[Sequence[float]]) -> bytes:
    corners = " ".join(f"{longitude},{latitude},0" for longitude, latitude, *_ in ring)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>{name}</name><Polygon><outerBoundaryIs>'
        f"<LinearRing><coordinates>{corners}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></Placemark></kml>\n"
    ).encode()
