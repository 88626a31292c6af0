"""Allowed download hosts: public ones over https; others only in configured networks or that of the API."""

import socket

from yarl import URL

from orderwatch.core.network import DIRECT, Network, Proxy, address_of
from orderwatch.errors import TransferError
from orderwatch.ssrf import Reach, is_local, literal, reach_of


class HostPolicy:
    """Checks links and addresses; `api_host` is the host of the account's API. Blocking: resolves it.

    `api_scheme` is how that API is reached: the account's headers go no less safely.

    With a proxy only the addresses in links are checked here: names are resolved by the proxy.
    """

    def __init__(self, api_host: str, network: Network = DIRECT, *, api_scheme: str = "https") -> None:
        self._api_host = api_host
        self._api_scheme = api_scheme
        self._network = network

    def proxy_for(self, link: URL) -> Proxy | None:
        """Return the proxy for this link, None if the request goes direct."""
        return self._network.proxy_for(link.host or "", link.port or 0)

    def check(self, link: URL) -> None:
        """Raise `TransferError` for a forbidden link. Addresses of host names are checked when resolved."""
        host = link.host
        if host is None or link.scheme not in {"http", "https"}:
            raise TransferError("the link is not an http link")
        address = literal(host)
        if address is not None and not self.allows(address):
            raise TransferError("the link points to an address that is not public")
        if self._network.is_proxy(host, link.port):
            raise TransferError("the link points to the proxy")
        if link.scheme == "http" and not is_local(host):
            raise TransferError("the link uses plain http")

    def check_account_headers(self, link: URL) -> None:
        """Raise `TransferError` for a link that would send the account's headers without encryption."""
        if link.scheme != "https" and self._api_scheme == "https":
            raise TransferError("the link uses plain http, which would expose the account's credentials")

    def allows(self, address: str) -> bool:
        """Return whether downloads from this IP address are allowed."""
        reach = reach_of(address)
        return reach is Reach.PUBLIC or self._is_listed(address) or reach in self._api_reach()

    def _is_listed(self, address: str) -> bool:
        found = address_of(address)
        return found is not None and self._network.allows_download(found)

    def _api_reach(self) -> set[Reach]:
        try:
            found = socket.getaddrinfo(self._api_host, None, type=socket.SOCK_STREAM)
        except OSError:
            return set()
        return {reach_of(str(entry[4][0])) for entry in found}
