"""How stored files are served: their media types, by the end of their names, and their dispositions."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote

_MEDIA_TYPES = {
    ".zip": "application/zip",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".kml": "application/vnd.google-earth.kml+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
_SHOWN = {"image/png", "image/jpeg", "application/json", "application/geo+json"}  # others are downloaded
_UNSAFE = re.compile(r"[^ -~]|[\"\\%]")  # in a quoted file name


def media_type(path: str) -> str:
    """Returns the media type of a stored file; nothing that a browser runs is among them."""
    return _MEDIA_TYPES.get(PurePosixPath(f"x{path}").suffix.lower(), "application/octet-stream")


def disposition(path: str) -> str:
    """Returns the `Content-Disposition` of a stored file, with its name."""
    name = PurePosixPath(path).name
    kind = "inline" if media_type(name) in _SHOWN else "attachment"
    plain, exact = _UNSAFE.sub("_", name), quote(name, safe="", errors="replace")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}"
