"""Lanes: one pace for each account and API host, shared by all hosts of a cluster."""

from typing import NamedTuple, Protocol


class Slot(NamedTuple):
    """Permission for one request in `wait` seconds; none while the account is `held` for so many seconds.

    `gap` are the present seconds between two requests.
    """

    wait: float
    gap: float
    held: float = 0.0


class Lanes(Protocol):
    """The spans count from now by one clock for all. Raises `DatabaseError`, and then nobody may request."""

    async def reserve(self, account: str, host: str, min_gap: float) -> Slot:
        """Reserve the next slot of this lane, unless the account is held."""
        ...

    async def held(self, account: str) -> float:
        """Return for how many seconds the provider still delays every request of the account."""
        ...

    async def hold(self, account: str, seconds: float) -> None:
        """Delay every request of the account; a longer delay stays."""
        ...

    async def scale(self, account: str, host: str, factor: float, limits: tuple[float, float]) -> None:
        """Multiply the lane's gap, within these limits."""
        ...
