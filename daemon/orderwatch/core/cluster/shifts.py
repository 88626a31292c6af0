"""Shifts: work that exactly one host does at a time, and how the hosts share it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

KEEPER = "keeper"  # maintenance of the database and the trees
CATALOG = "catalog"  # the STAC files in the trees
ORDERING = "ordering"  # the turn to place and cancel orders; held only while orders are sent

_ACCOUNT, _CHANNEL = "account/", "channel/"


def account_shift(account: str) -> str:
    """Returns the shift of an account: its poller, its standing orders and the probes of its breaker."""
    return f"{_ACCOUNT}{account}"


def channel_shift(channel: str) -> str:
    """Returns the shift of a channel: its dispatcher."""
    return f"{_CHANNEL}{channel}"


def accounts_of(shifts: Iterable[str]) -> list[str]:
    """Returns the accounts whose shifts these are, sorted."""
    return sorted(name.removeprefix(_ACCOUNT) for name in shifts if name.startswith(_ACCOUNT))


def shifts_of(accounts: Iterable[str], channels: Iterable[str]) -> frozenset[str]:
    """Returns every shift that a host with this configuration can hold for long.

    A command that visits has no accounts, and gets none.
    """
    of_accounts = frozenset(map(account_shift, accounts))
    return of_accounts and of_accounts | {KEEPER, CATALOG, *map(channel_shift, channels)}


class Moves(NamedTuple):
    """What one host changes: free shifts to take, and shifts to give, each with the host that gets it.

    A shift to give to nobody is in no configuration of this host any more.
    """

    take: frozenset[str]
    give: Mapping[str, str | None]


def rebalance(me: str, hosts: Mapping[str, Collection[str]], held: Mapping[str, str]) -> Moves:
    """Returns what one host changes so that all hosts share the shifts.

    `hosts` are the live hosts by their boot, each with the shifts that its configuration has; `held` is the
    holder of each shift whose lease is not over. A host takes at most its equal part of each kind, but more
    of what no other host has room for. It gives shifts to a host that has at least two fewer.
    """
    take: set[str] = set()
    give: dict[str, str | None] = {n: None for n, host in held.items() if host == me and n not in hosts[me]}
    for kind in (_ACCOUNT, _CHANNEL, ""):
        able = {host: frozenset(n for n in names if _kind(n) == kind) for host, names in hosts.items()}
        holders = {name: held[name] for name in sorted(held) if _kind(name) == kind and name not in give}
        take |= _taken(me, able, holders)
        give |= _given(me, able, holders)
    return Moves(frozenset(take), give)


def _kind(name: str) -> str:
    return next((prefix for prefix in (_ACCOUNT, _CHANNEL) if name.startswith(prefix)), "")


def _taken(me: str, able: Mapping[str, frozenset[str]], holders: Mapping[str, str]) -> set[str]:
    """Returns the free shifts within this host's part, and those that no other host has room for."""
    shifts = frozenset[str]().union(*able.values())
    part = -(-len(shifts) // len(able))
    load, taken = Counter(holders.values()), set()
    for name in sorted(able[me] - holders.keys()):
        others = [host for host, theirs in able.items() if host != me and name in theirs]
        if load[me] < part or all(load[host] >= part for host in others):
            taken.add(name)
            load[me] += 1
    return taken


def _given(me: str, able: Mapping[str, frozenset[str]], holders: Mapping[str, str]) -> dict[str, str]:
    """Returns what leaves this host until no host that could take it has two shifts fewer."""
    load, given = Counter(holders.values()), {}
    for name in [name for name, holder in holders.items() if holder == me]:
        others = sorted(host for host, theirs in able.items() if host != me and name in theirs)
        if others and load[me] - load[least := min(others, key=load.__getitem__)] > 1:
            given[name] = least
            load[me] -= 1
            load[least] += 1
    return given
