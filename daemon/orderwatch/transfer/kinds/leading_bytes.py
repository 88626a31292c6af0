"""Recognises by its first bytes what a file is."""

import re

HEAD_BYTES = 64  # enough for every function here

PNG_MAGIC = b"\x89PNG"
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_PICTURE_MAGICS = (
    PNG_MAGIC,
    *TIFF_MAGICS,
    b"\xff\xd8\xff",  # JPEG
    b"GIF8",
    b"RIFF",  # WebP
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"\xff\x4f\xff\x51",
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PAGE = re.compile(rb"(<\?xml[^>]*\?>\s*)?<(!doctype html|html|error>)", re.IGNORECASE)
_ERROR = re.compile(
    rb'\{\s*("(status|statuscode|code|timestamp|success)"\s*:[^,]*,\s*){0,2}"(error|errors|message|detail|fault)"',
    re.IGNORECASE,
)


def begins(first: bytes, *magics: bytes) -> bool:
    """Return whether there are bytes and they begin with one of the magic ones, as far as they go."""
    return first != b"" and any(first.startswith(magic[: len(first)]) for magic in magics)


def is_picture(first: bytes) -> bool:
    """Return whether the bytes begin a picture."""
    return begins(first, *_PICTURE_MAGICS)


def is_text(first: bytes) -> bool:
    """Return whether the bytes begin JSON or markup."""
    return _text(first)[:1] in {b"{", b"[", b"<"}


def is_page(first: bytes) -> bool:
    """Return whether the bytes begin a web page, or the error of a storage service in XML."""
    return bool(_PAGE.match(_text(first)))


def is_error(first: bytes) -> bool:
    """Return whether the bytes begin an error in JSON."""
    return bool(_ERROR.match(_text(first)))


def _text(first: bytes) -> bytes:
    return first.removeprefix(_BYTE_ORDER_MARK).lstrip()
