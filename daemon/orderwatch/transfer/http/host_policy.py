"""Allowed download hosts: public ones over https; others only in the network of the account's API."""

import socket

from yarl import URL

from orderwatch.errors import TransferError
from orderwatch.ssrf import Reach, is_local, literal, reach_of


class HostPolicy:
    """Checks links and addresses; `api_host` is the host of the account's API. Blocking: resolves it."""

    def __init__(self, api_host: str) -> None:
        self._api_host = api_host

    def check(self, link: URL) -> None:
        """Raise `TransferError` for a forbidden link. Addresses of host names are checked when resolved."""
        host = link.host
        if host is None or link.scheme not in {"http", "https"}:
            raise TransferError("the link is not an http link")
        address = literal(host)
        if address is not None and not self.allows(address):
            raise TransferError("the link points to an address that is not public")
        if link.scheme == "http" and not is_local(host):
            raise TransferError("the link uses plain http")

    def allows(self, address: str) -> bool:
        """Return whether downloads from this IP address are allowed."""
        reach = reach_of(address)
        return reach is Reach.PUBLIC or reach in self._api_reach()

    def _api_reach(self) -> set[Reach]:
        try:
            found = socket.getaddrinfo(self._api_host, None, type=socket.SOCK_STREAM)
        except OSError:
            return set()
        return {reach_of(str(entry[4][0])) for entry in found}
