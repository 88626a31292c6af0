"""Which hosts bytes may come from: public ones over https, others only where the account's own API is."""

import asyncio
import ipaddress
import socket
from enum import Enum, auto

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from orderwatch.errors import TransferError


class Reach(Enum):
    """Who can be behind an address."""

    PUBLIC = auto()
    PRIVATE = auto()
    LINK_LOCAL = auto()
    LOOPBACK = auto()


def reach_of(address: str) -> Reach:
    """Sort an IP address; whatever is not clearly public is private."""
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return Reach.LOOPBACK
    if ip.is_link_local:
        return Reach.LINK_LOCAL
    return Reach.PUBLIC if ip.is_global and not ip.is_multicast else Reach.PRIVATE


class HostPolicy:
    """Decides over links and addresses; `api_host` is the account's own API."""

    def __init__(self, api_host: str) -> None:
        self._api_host = api_host

    async def check(self, link: URL) -> None:
        """Refuse a link by what it says; addresses behind names are judged when they are resolved."""
        host = link.host
        if host is None or link.scheme not in {"http", "https"}:
            raise TransferError("the link is no http link")
        literal = _literal(host)
        if literal is not None and not await self.allows(literal):
            raise TransferError("the link leads to an address that is not public")
        if link.scheme == "http" and not (host == "localhost" or _is_loopback(literal)):
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


class GuardedResolver(AbstractResolver):
    """Resolves names, and drops addresses that the policy refuses."""

    def __init__(self, policy: HostPolicy) -> None:
        self._policy = policy
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [entry for entry in found if await self._policy.allows(entry["host"])]
        if not allowed:
            raise OSError(None, "the name leads to an address that is not public")
        return allowed

    async def close(self) -> None:
        await self._inner.close()


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _is_loopback(literal: str | None) -> bool:
    return literal is not None and reach_of(literal) is Reach.LOOPBACK
