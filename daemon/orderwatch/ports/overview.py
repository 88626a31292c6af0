"""What a glance should tell: accounts, trees, counts and what is not well, as it is now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orderwatch.core.concern import Concern
from orderwatch.core.glance import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """`state` is fine, unavailable or refused; `swept_at` when all that was due had been asked for last."""

    name: str
    state: str
    swept_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSeen:
    """`room` in bytes is what may still be written, None where that cannot be asked.

    `shortage` says why what is published would not be stored.
    """

    root: str
    usable: bool
    room: int | None
    shortage: str | None = None

    @property
    def is_fine(self) -> bool:
        """Whether what is published is stored there."""
        return self.usable and self.shortage is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the page begins with; `attention` is what needs a person and was not acknowledged."""

    accounts: Sequence[AccountSeen]
    trees: Sequence[TreeSeen]
    attention: Sequence[Concern]
    counts: Counts = field(default_factory=Counts)

    @property
    def is_well(self) -> bool:
        """Whether nothing needs a person, every account answers and every tree takes what is published."""
        accounts = all(account.state == "fine" for account in self.accounts)
        return not self.attention and accounts and all(tree.is_fine for tree in self.trees)

    @property
    def verdict(self) -> str:
        """The first thing that is read."""
        if not self.accounts:
            return "Starting"
        if self.is_well:
            return "All is well"
        number = len(self.attention)
        if not number:
            return "An account or a folder is in trouble"
        return f"{number} things need you" if number > 1 else "One thing needs you"
