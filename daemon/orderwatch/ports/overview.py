"""What a glance should tell: accounts, trees, counts and what is not well, as it is now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.glance import Counts
from orderwatch.core.intent import Intent
from orderwatch.core.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """`state` is fine, unavailable or refused; `swept_at` when all that was due had been asked for last."""

    name: str
    state: str
    swept_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSeen:
    """`room` in bytes is what may still be written, None where that cannot be asked."""

    root: str
    usable: bool
    room: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`unsettled` are orders of which nobody knows whether they were placed; no problem is told besides."""

    accounts: Sequence[AccountSeen]
    trees: Sequence[TreeSeen]
    problems: Sequence[Problem]
    unsettled: Sequence[Intent] = ()
    counts: Counts = field(default_factory=Counts)

    @property
    def well(self) -> bool:
        wrong = self.problems or self.unsettled or any(account.state != "fine" for account in self.accounts)
        return not wrong and all(tree.usable for tree in self.trees)

    @property
    def verdict(self) -> str:
        """The first thing that is read."""
        if not self.accounts:
            return "Starting"
        if self.well:
            return "All is well"
        number = len(self.problems) + len(self.unsettled)
        return f"{number} problems" if number > 1 else "A problem"
