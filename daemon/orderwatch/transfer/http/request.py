"""A request as libcurl takes it: link, headers and proxy, each byte as it came."""

from collections.abc import Mapping
from urllib.parse import quote

import pycurl
from yarl import URL

from orderwatch.core.network import Proxy
from orderwatch.errors import TransferError

_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


def configure(handle: pycurl.Curl, link: URL, headers: Mapping[str, str], proxy: Proxy | None) -> None:
    """Set what belongs to this request alone."""
    handle.setopt(pycurl.URL, quoted(str(link)))
    # libcurl normalizes the path of its URL, even with PATH_AS_IS, which would break a signature.
    is_absolute = proxy is not None and link.scheme == "http"
    handle.setopt(pycurl.REQUEST_TARGET, quoted(str(link) if is_absolute else link.raw_path_qs))
    handle.setopt(
        pycurl.HTTPHEADER, [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    )
    handle.setopt(pycurl.PROXY, proxy.url if proxy else "")  # an unset one is read from the environment
    if proxy is not None and proxy.user is not None:
        handle.setopt(pycurl.PROXYUSERNAME, proxy.user.encode())
        handle.setopt(pycurl.PROXYPASSWORD, proxy.password.encode())


def quoted(text: str | bytes) -> str:
    """Quote the characters that no request may contain, and no others."""
    return quote(text, safe=_URL_CHARACTERS)


def parse_url(text: str) -> URL:
    """Parse a link or the `Location` of a redirect. Raises `TransferError`."""
    try:
        link = URL(text, encoded=True)  # decoding and encoding again would break a signature
        _ = link.port  # raises
    except ValueError as error:
        raise TransferError("the link is not a URL") from error
    return link
