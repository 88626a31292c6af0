"""Makes the STAC items of stored files, one for each scene.

Documents are plain JSON values; their links and hrefs are relative, so that a tree can be moved.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from posixpath import dirname, relpath
from typing import Any, NamedTuple

from orderwatch.core.deliveries.audit import sidecar_of
from orderwatch.core.deliveries.media_types import media_type
from orderwatch.core.deliveries.sidecar import zulu
from orderwatch.core.geo.bbox import Bbox, bbox
from orderwatch.core.geo.geometry import drawable
from orderwatch.core.model import Delivery, Order, SceneFacts

Document = dict[str, Any]

CATALOGUE = "catalog.json"
MARK = "orderwatch:catalogue"  # marks the files of orderwatch
STAC_VERSION = "1.1.0"
_FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_SHA256_MULTIHASH = "1220"  # the prefix of a multihash
_MAX_NAME_CHARACTERS = 80
_ROLES = {"thumbnail": "thumbnail", "preview": "overview", "footprint": "metadata"}


class Extent(NamedTuple):
    """When and where; without a box if no footprint is known."""

    first: datetime
    last: datetime
    bbox: Bbox | None


def collection_of(item_path: str) -> str:
    """Returns the path of an item's collection."""
    return f"{'/'.join(item_path.split('/')[:2])}/collection.json"


def item_path(order: Order, scene_id: str) -> str:
    """Returns the path of a scene's item, in plain letters since readers quote others differently."""
    folder = f"{_named(order.account)}-{_slug(order.project_name)}"
    return f"stac/{folder}/{_named(order.order_id)}/{_named(scene_id)}.json"


def extent_of(order: Order, files: Sequence[Delivery]) -> Extent:
    """Returns when and where the scene of these stored files was captured."""
    newest = _newest(files)
    capture = order.capture(newest.capture_id)
    taken = taken_at(
        newest.scene, capture.start if capture else None, (order.start, order.end), newest.stored_at
    )
    geometry = drawable(newest.scene.footprint)
    return Extent(*taken, bbox(geometry) if geometry else None)


def item(order: Order, files: Sequence[Delivery], path: str, parent: str) -> Document:
    """Returns the item of a scene, with an asset for each of its stored files and sidecars."""
    newest, extent = _newest(files), extent_of(order, files)
    capture = order.capture(newest.capture_id)
    stored = [held.stored_at for held in files if held.stored_at]
    start, end = map(zulu, extent[:2])
    properties = {
        "datetime": start if start == end else None,
        "start_datetime": None if start == end else start,
        "end_datetime": None if start == end else end,
        "created": zulu(min(stored)),
        "updated": zulu(max(stored)),
        "platform": newest.scene.satellite_name or (capture.satellite_name if capture else None),
        "orderwatch:account": order.account,
        "orderwatch:order_id": order.order_id,
        "orderwatch:task_id": order.task_id,
        "orderwatch:task_name": order.task_name,
        "orderwatch:capture_id": newest.capture_id,
        "orderwatch:scene_id": newest.scene_id,
        "orderwatch:product": newest.scene.product or order.product,
    }
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [_FILE_EXTENSION],
        MARK: 1,
        "id": f"{order.order_id}-{PurePosixPath(path).stem}",
        "geometry": drawable(newest.scene.footprint),
        **({"bbox": list(extent.bbox)} if extent.bbox else {}),
        "properties": {k: v for k, v in properties.items() if v is not None or k == "datetime"},
        "links": [
            link("root", path, CATALOGUE),
            link("parent", path, parent),
            link("collection", path, collection_of(path)),
        ],
        "assets": dict(_assets(files)),
        "collection": PurePosixPath(path).parts[1],
    }


def link(rel: str, source: str, target: str) -> Document:
    """Returns a relative link from one document of the catalog to another."""
    href = relpath(target, dirname(source))
    return {"rel": rel, "href": href if href.startswith("..") else f"./{href}", "type": "application/json"}


def taken_at(
    scene: SceneFacts,
    capture_start: datetime | None,
    window: tuple[datetime | None, datetime | None],
    stored_at: datetime | None,
) -> tuple[datetime, datetime]:
    """Returns when a scene was captured, at worst the window of its order or the time it was stored."""
    moment, (opens, closes) = scene.timestamp or capture_start, window
    if moment is None and opens is not None and closes is not None and opens <= closes:
        return opens, closes
    moment = moment or stored_at
    if moment is None:
        raise ValueError("only stored files belong in the catalog")
    return moment, moment


def _assets(files: Iterable[Delivery]) -> Iterator[tuple[str, Document]]:
    """Yields assets: per attachment the newest version, then the older ones with their number."""
    seen: set[str] = set()
    for held in sorted(files, key=lambda d: (d.attachment, -d.version, d.capture_id)):
        key = held.attachment if held.attachment not in seen else f"{held.attachment}.v{held.version}"
        if key in seen:  # of another capture
            key = f"{key}.{held.capture_id}"
        seen.add(key)
        path = held.path or ""
        yield (
            key,
            {
                "href": f"../../../{path}",
                "type": media_type(path),
                "title": PurePosixPath(path).name,
                "roles": [_ROLES.get(held.attachment, "data")],
                "file:checksum": f"{_SHA256_MULTIHASH}{held.sha256}",
                "file:size": held.size,
            },
        )
        yield (
            f"{key}.sidecar",
            {
                "href": f"../../../{sidecar_of(path)}",
                "type": media_type(".json"),
                "title": PurePosixPath(sidecar_of(path)).name,
                "roles": ["metadata"],
            },
        )


def _newest(files: Sequence[Delivery]) -> Delivery:
    return max(files, key=lambda held: (held.version, held.attachment, held.capture_id))


def _slug(project_name: str | None) -> str:
    """Returns the project name in lower case and plain letters."""
    if project_name is None:
        return "no-project"
    return _named(re.sub(r"[ _]+", "-", project_name.strip().lower()))


def _named(text: str) -> str:
    """Returns an unambiguous name in plain letters, with a digest if the text had other ones."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", bare).strip("-.")[:_MAX_NAME_CHARACTERS]
    if plain == text:
        return plain
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else digest
