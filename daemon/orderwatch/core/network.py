"""The way to other hosts: proxy, exceptions from it, certificate authorities, private download networks."""

import base64
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import unquote, urlsplit

IPNetwork = IPv4Network | IPv6Network

_LOCAL_NAMES = {"localhost", "localhost.localdomain"}
_HOST = re.compile(r"[\w.-]+|\[[\da-fA-F:.]+\]", re.ASCII)
_MAX_PORT = 65535
_PROXY_EXPECTED = (
    "must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with special characters of both as %XX"
)
_NO_PROXY_EXPECTED = "must be a host, a suffix, HOST:PORT, a network, or *"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_NEVER_DOWNLOADS = [
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "169.254.0.0/16", "::1", "fe80::/10", "::ffff:0:0/96")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy. Its texts never contain the password."""

    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL without credentials."""
        return f"http://{self}"

    @property
    def authorization(self) -> str | None:
        """The value of Proxy-Authorization, None without credentials."""
        if self.user is None:
            return None
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    def refusal(self, status: int) -> str:
        """Describe its own answer to a request that it did not pass on."""
        if rejects_credentials(status):
            return (
                f"the proxy {self} rejects its credentials{'' if self.user else ': [network] proxy has none'}"
            )
        if status == HTTPStatus.FORBIDDEN:
            return f"the proxy {self} forbids the connection to this host"
        return f"the proxy {self} answers {status}"


@dataclass(frozen=True, slots=True)
class NoProxy:
    """One entry of `no_proxy`: a host with its subdomains, or a network; None as `host` means every host."""

    host: str | None = None
    port: int | None = None
    network: IPNetwork | None = None

    def matches(self, host: str, port: int) -> bool:
        if self.port not in {None, port}:
            return False
        address = address_of(host)
        if self.network is not None:
            return address is not None and address in self.network
        return self.host is None or host == self.host or (address is None and host.endswith(f".{self.host}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """`ca_pem` are certificates trusted in addition to the system's."""

    proxy: Proxy | None = None
    no_proxy: Sequence[NoProxy] = ()
    ca_pem: bytes = field(default=b"", repr=False)
    private_downloads: Sequence[IPNetwork] = ()

    def proxy_for(self, host: str, port: int) -> Proxy | None:
        """Return the proxy for requests to this host, None if they go direct.

        Loopback means this machine: a proxy on another one would reach itself there.
        """
        if self.proxy is None or (is_loopback(host) and not is_loopback(self.proxy.host)):
            return None
        name = host.strip("[]").rstrip(".").lower()
        return None if any(each.matches(name, port) for each in self.no_proxy) else self.proxy

    def is_proxy(self, host: str, port: int | None) -> bool:
        """Return whether this is the address of the proxy itself."""
        return self.proxy is not None and (host.rstrip(".").lower(), port) == (
            self.proxy.host,
            self.proxy.port,
        )

    def allows_download(self, address: IPv4Address | IPv6Address) -> bool:
        """Return whether `private_downloads` contains the address."""
        return any(address in network for network in self.private_downloads)


DIRECT = Network()


def rejects_credentials(status: int) -> bool:
    """Return whether a proxy that answers so rejects its credentials."""
    return status in {
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.UNAUTHORIZED,  # as tinyproxy answers
    }


def parse_proxy(text: str) -> Proxy:
    """Parse the URL of a proxy. Raises `ValueError`, whose text does not quote it."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_PROXY_EXPECTED) from None
    place = parts.netloc.rpartition("@")[2].rpartition(":")[0]
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme != "http" or not port or rest or not text.isprintable() or not _HOST.fullmatch(place):
        raise ValueError(_PROXY_EXPECTED)
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password or "")
    if user is not None and (not user or ":" in user or not (user + password).isprintable()):
        raise ValueError("must have a user without colon, and no control characters")
    return Proxy(host=host, port=port, user=user, password=password)


def parse_no_proxy(text: str) -> NoProxy:
    """Parse an entry of `no_proxy`. Raises `ValueError`."""
    if text == "*":
        return NoProxy()
    try:
        return NoProxy(network=ipaddress.ip_network(text))
    except ValueError:
        pass
    host, colon, port = text.rpartition(":") if re.search(r"[\w.\]]:\d+$", text) else (text, "", "")
    number = int(port) if colon else None
    if number is not None and not 0 < number <= _MAX_PORT:
        raise ValueError(_NO_PROXY_EXPECTED)
    if (address := address_of(host.strip("[]"))) is not None:
        return NoProxy(port=number, network=ipaddress.ip_network(address))
    name = host.removeprefix("*").removeprefix(".").rstrip(".").lower()
    if not _HOST.fullmatch(name) or name.startswith("["):
        raise ValueError(_NO_PROXY_EXPECTED)
    return NoProxy(host=name, port=number)


def parse_download_network(text: str) -> IPNetwork:
    """Parse an entry of `private_downloads`. Raises `ValueError`."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise ValueError('must be a network such as "10.0.0.0/8"') from None
    if any(each.version == network.version and each.overlaps(network) for each in _NEVER_DOWNLOADS):
        raise ValueError("must not contain loopback, link-local or IPv4-mapped addresses")
    return network


def certificates_in(content: bytes) -> bytes:
    """Return the PEM certificates of a file; other content, such as comments, may contain any bytes."""
    return b"".join(found + b"\n" for found in _CERTIFICATE.findall(content))


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a URL's host is, None if it is a name; IPv4 for an IPv4-mapped one."""
    try:
        address = ipaddress.ip_address(host.strip("[]").split("%", maxsplit=1)[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Return whether a URL's host is this machine, without resolving names."""
    address = address_of(host)
    return host.rstrip(".").lower() in _LOCAL_NAMES if address is None else address.is_loopback
