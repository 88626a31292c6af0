"""Pauses: an operator stops the downloads of all accounts, or polling and downloads of one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from orderwatch.core.formatting import ago, format_time
from orderwatch.core.model import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A pause of one account, or of the downloads of all accounts if `account` is None."""

    account: str | None
    paused_at: datetime
    who: str

    @property
    def subject(self) -> str:
        return "Downloads are" if self.account is None else f"Account {self.account} is"

    @property
    def reason(self) -> str:
        """Return why something does not happen, and how to continue."""
        subject = self.subject[0].lower() + self.subject[1:]
        return f"{subject} paused since {format_time(self.paused_at)}. {self.remedy}"

    @property
    def remedy(self) -> str:
        return "To continue: orderwatch resume" + (f" --account {self.account}" if self.account else "")

    def line(self, now: datetime | None) -> str:
        """Return the line for people; with the time itself if `now` is None."""
        at = format_time(self.paused_at)
        since = at if now is None else f"{at} ({ago(self.paused_at, now)})"
        return f"{self.subject} paused since {since} by {self.who}."


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses in effect."""

    all: Sequence[Pause] = ()

    def of_polling(self, account: str) -> Pause | None:
        """Return the pause that stops the polling of an account."""
        return next((pause for pause in self.all if pause.account == account), None)

    def of_downloads(self, account: str) -> Pause | None:
        """Return the pause that stops the downloads of an account."""
        return next((pause for pause in self.all if pause.account in {None, account}), None)

    def hold(self, orders: Iterable[Order]) -> bool:
        """Return whether a pause keeps back what would happen without it: polls, or a file of an order."""
        if any(pause.account is not None for pause in self.all):
            return True
        return bool(self.all) and any(
            not some.state.settled and some.number for order in orders for some in order.files
        )

    @property
    def words(self) -> str:
        """Return all pauses in a few words; empty without any."""
        return "; ".join(
            f"{'downloads' if p.account is None else f'account {p.account}'} paused since "
            f"{format_time(p.paused_at)}"
            for p in self.all
        )


NO_PAUSES = Pauses()
