"""What a glance should tell: accounts, trees and problems, as they are now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orderwatch.core.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """`state` is fine, unavailable or refused."""

    name: str
    state: str
    listed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSeen:
    """`room` in bytes is what may still be written, None where that cannot be asked."""

    root: str
    usable: bool
    room: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    accounts: Sequence[AccountSeen]
    trees: Sequence[TreeSeen]
    problems: Sequence[Problem]

    @property
    def well(self) -> bool:
        accounts, trees = self.accounts, self.trees
        return not self.problems and all(a.state == "fine" for a in accounts) and all(t.usable for t in trees)

    @property
    def verdict(self) -> str:
        """The first thing that is read."""
        if not self.accounts:
            return "Starting"
        if self.well:
            return "All is well"
        number = len(self.problems)
        return f"{number} problems" if number > 1 else "A problem"
