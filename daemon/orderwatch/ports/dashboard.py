"""The overview at the top of the dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.actions.pauses import NO_PAUSES, Pauses
from orderwatch.core.attention.concern import Concern
from orderwatch.core.cluster.hosts import HostReport
from orderwatch.core.statistics import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """`state` is fine, unavailable or refused; `swept_at` is the end of the last complete sweep.

    `retry_at` is when an account that is not fine is requested again.
    """

    name: str
    state: str
    swept_at: datetime | None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSeen:
    """`room` is how many bytes may still be written, None if unknown.

    `shortage` is the reason why published files would not be stored.
    """

    root: str
    usable: bool
    room: int | None
    shortage: str | None = None

    @property
    def is_fine(self) -> bool:
        """Whether published files are stored there."""
        return self.usable and self.shortage is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state of everything at one moment; `attention` are the concerns that are not acknowledged."""

    accounts: Sequence[AccountSeen]
    trees: Sequence[TreeSeen]
    attention: Sequence[Concern]
    pauses: Pauses = NO_PAUSES
    counts: Counts = field(default_factory=Counts)
    hosts: Sequence[HostReport] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing needs a person or is paused, every account answers and every tree is usable."""
        accounts = all(account.state == "fine" for account in self.accounts)
        return (
            not self.attention
            and not self.pauses.all
            and accounts
            and all(tree.is_fine for tree in self.trees)
        )

    @property
    def verdict(self) -> str:
        """Return the headline."""
        if not self.accounts:
            return "Starting"
        if self.is_well:
            return "All is well"
        number = len(self.attention)
        if not number and self.pauses.all:
            words = self.pauses.words
            return words[0].upper() + words[1:]
        if not number:
            return "An account or a delivery tree has a problem"
        return f"{number} things need you" if number > 1 else "One thing needs you"
