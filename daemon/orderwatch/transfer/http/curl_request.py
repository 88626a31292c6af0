"""What one request of libcurl sends: the exact link, headers made by us, the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from multidict import CIMultiDict
from yarl import URL

from orderwatch.core.network import Proxy
from orderwatch.errors import TransferError
from orderwatch.transfer.http import libcurl

_MAX_LENGTH_DIGITS = 18
_LINE_BREAKS = frozenset("\r\n\0")
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


def configure(handle: libcurl.Curl, link: URL, headers: Mapping[str, str], proxy: Proxy | None) -> None:
    """Set what this request sends, and by which way."""
    handle.setopt(libcurl.URL, _quoted(str(link)))
    # libcurl normalizes the path of its URL, even with PATH_AS_IS, which would break a signature.
    is_absolute = proxy is not None and link.scheme == "http"
    handle.setopt(libcurl.REQUEST_TARGET, _quoted(str(link) if is_absolute else link.raw_path_qs))
    handle.setopt(libcurl.HTTPHEADER, [_line(name, value) for name, value in headers.items()])
    handle.setopt(libcurl.PROXY, proxy.url if proxy else "")  # an unset one is read from the environment
    if proxy is not None and proxy.user is not None:
        handle.setopt(libcurl.PROXYUSERNAME, proxy.user.encode())
        handle.setopt(libcurl.PROXYPASSWORD, proxy.password.encode())


def _line(name: str, value: str) -> bytes:
    line = f"{name}: {value}"
    if max(line) > "\xff" or not _LINE_BREAKS.isdisjoint(line):
        raise TransferError("a header of the request has characters that no header may have")
    return line.encode("latin-1")


def check_length(headers: CIMultiDict[str]) -> None:
    """Reject lengths that contradict each other: it is unknown which one libcurl used."""
    lengths = set(headers.getall("Content-Length", ()))
    is_valid = all(text.isdecimal() and len(text) <= _MAX_LENGTH_DIGITS for text in lengths)
    if not is_valid or len(lengths) > 1 or (lengths and "Transfer-Encoding" in headers):
        raise TransferError("the download host sent no valid length")


def _quoted(text: str | bytes) -> str:
    """Quote the characters that no request may contain, and no others."""
    return quote(text, safe=_URL_CHARACTERS)


def parse_url(text: str) -> URL:
    """Parse a link without changing a character. Raises `TransferError`."""
    try:
        link = URL(text, encoded=True)  # decoding and encoding again would break a signature
        _ = link.port  # raises
    except ValueError as error:
        raise TransferError("the link is not a URL") from error
    return link


def parse_location(value: str) -> URL:
    """Parse the target of a redirect, which may hold unquoted letters. Raises `TransferError`."""
    return parse_url(_quoted(value.encode("latin-1")))
