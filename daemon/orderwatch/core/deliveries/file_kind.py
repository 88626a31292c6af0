"""The kind of file that a provider promises: by its name and media type."""

from enum import StrEnum
from pathlib import PurePosixPath


class FileKind(StrEnum):
    """A kind of file that has its own check."""

    ZIP = "zip"
    TIFF = "TIFF"
    PNG = "PNG"
    JSON = "JSON"
    PAGE = "page"  # HTML that is meant to be stored


_NO_ZIPS = frozenset({"footprint", "thumbnail", "preview"})  # whatever their files are called
_BY_SUFFIX = {
    ".tif": FileKind.TIFF,
    ".tiff": FileKind.TIFF,
    ".png": FileKind.PNG,
    ".json": FileKind.JSON,
    ".geojson": FileKind.JSON,
    ".html": FileKind.PAGE,
    ".htm": FileKind.PAGE,
}
_BY_MEDIA_TYPE = {
    "application/zip": FileKind.ZIP,
    "image/tiff": FileKind.TIFF,
    "image/png": FileKind.PNG,
    "application/json": FileKind.JSON,
    "text/html": FileKind.PAGE,
}


def promised_kind(attachment: str, file_name: str, media_type: str | None = None) -> FileKind | None:
    """Return what the file should be, None if that is unknown or has no check.

    A name that says zip comes first: such files are resumed without proof, because they are checked as zips.
    """
    if says_zip(attachment, file_name):
        return FileKind.ZIP
    media = (media_type or "").split(";")[0].strip().lower()
    if media.endswith("+json"):
        return FileKind.JSON
    return _BY_MEDIA_TYPE.get(media) or _BY_SUFFIX.get(PurePosixPath(file_name).suffix.lower())


def says_zip(attachment: str, file_name: str) -> bool:
    """Return whether the attachment or its file name says that it is a zip."""
    if attachment in _NO_ZIPS:
        return False
    return attachment == "delivery_zip" or file_name.lower().endswith(".zip")
