"""Problems on several hosts: which host ends a problem, and which ends with its host."""

from collections.abc import Collection

from orderwatch.core.cluster.shifts import CATALOG, KEEPER, account_shift, channel_shift
from orderwatch.core.notifications.problems import ON_HOST, Problem


def shift_of(problem: Problem) -> str:
    """Returns the shift whose work would log the end of a problem that is not a host's own."""
    account, channel = problem.facts.get("account"), problem.facts.get("channel")
    if problem.event.startswith("catalogue."):
        return CATALOG
    if isinstance(account, str):
        return account_shift(account)
    return channel_shift(channel) if isinstance(channel, str) else KEEPER


def is_of_gone_host(problem: Problem, live: Collection[str]) -> bool:
    """Returns whether the problem was a host's own, and that host does not run any more."""
    host = problem.facts.get(ON_HOST)
    return host is not None and host not in live
