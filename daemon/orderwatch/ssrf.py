"""Classifies addresses, and resolves names only to addresses that a policy allows."""

import ipaddress
import socket
from enum import Enum, auto
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from orderwatch.core.network import DIRECT, Network


class Reach(Enum):
    """The network that an address belongs to."""

    PUBLIC = auto()
    PRIVATE = auto()
    LINK_LOCAL = auto()
    LOOPBACK = auto()


def reach_of(address: str) -> Reach:
    """Classifies an IP address; one that is not clearly public is private."""
    ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return Reach.LOOPBACK
    if ip.is_link_local:
        return Reach.LINK_LOCAL
    return Reach.PUBLIC if ip.is_global and not ip.is_multicast else Reach.PRIVATE


def literal(host: str) -> str | None:
    """Returns the host's address if it is one, None if it is a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:  # 127.1 or 0x7f000001, which name resolution accepts, also that of a proxy
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except (OSError, UnicodeError):
        return None


def is_local(host: str) -> bool:
    """Returns whether a URL's host is this machine, without resolving names."""
    address = literal(host)
    return host == "localhost" or (address is not None and reach_of(address) is Reach.LOOPBACK)


class Policy(Protocol):
    async def allows(self, address: str) -> bool: ...


class GuardedResolver(AbstractResolver):
    """Resolves names, without the addresses that the policy rejects.

    The proxy may have any address; callers reject a URL that leads to the proxy itself.
    """

    def __init__(self, policy: Policy, network: Network = DIRECT) -> None:
        self._policy = policy
        self._network = network
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if self._network.is_proxy(host, port):
            return found
        allowed = [entry for entry in found if await self._policy.allows(entry["host"])]
        if not allowed:
            raise OSError(None, "the name resolves to an address that is not public")
        return allowed

    async def close(self) -> None:
        await self._inner.close()
