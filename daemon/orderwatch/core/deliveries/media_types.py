"""The media types of stored files, by the end of their names."""

from pathlib import PurePosixPath

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


def media_type(path: str) -> str:
    """Returns the media type of a stored file; nothing that a browser runs is among them."""
    return _MEDIA_TYPES.get(PurePosixPath(f"x{path}").suffix.lower(), "application/octet-stream")
