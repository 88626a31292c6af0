"""Which hosts bytes may come from: public ones over https, others only where the account's own API is."""

import asyncio
import socket

from yarl import URL

from orderwatch.errors import TransferError
from orderwatch.ssrf import Reach, is_local, literal, reach_of


class HostPolicy:
    """Decides over links and addresses; `api_host` is the account's own API."""

    def __init__(self, api_host: str) -> None:
        self._api_host = api_host

    async def check(self, link: URL) -> None:
        """Refuse a link by what it says; addresses behind names are judged when they are resolved."""
        host = link.host
        if host is None or link.scheme not in {"http", "https"}:
            raise TransferError("the link is no http link")
        address = literal(host)
        if address is not None and not await self.allows(address):
            raise TransferError("the link leads to an address that is not public")
        if link.scheme == "http" and not is_local(host):
            raise TransferError("the link is plain http")

    async def allows(self, address: str) -> bool:
        reach = reach_of(address)
        return reach is Reach.PUBLIC or reach in await self._own_reach()

    async def _own_reach(self) -> set[Reach]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._api_host, None, type=socket.SOCK_STREAM
            )
        except OSError:
            return set()
        return {reach_of(str(entry[4][0])) for entry in found}
