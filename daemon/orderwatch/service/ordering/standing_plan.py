"""Plans what to do for the standing orders of one account: search, place, or wait."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from orderwatch.core.ordering.intent import Budget, Intent
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.ordering.standing_orders import is_spent, marked, name_of, steps

_MIN_SEARCH_INTERVAL = timedelta(seconds=10)


class StandingPlan(NamedTuple):
    """Open intents to search, orders to place, and why the others are blocked, by name."""

    searches: Sequence[Intent]
    todo: Sequence[Draft]
    blocked: dict[str, str]


class Postponed(NamedTuple):
    """Why a standing order waits, and until when."""

    reason: str
    until: datetime


class StandingPlanner:
    """Remembers when each intent was searched and which orders are postponed, for at most `max_pause`."""

    def __init__(
        self,
        account: str,
        declared: Sequence[Draft],
        budget: Budget,
        *,
        max_pause: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._budget = budget
        self._max_pause = max_pause
        self._now = now
        self._searched: dict[int, datetime] = {}
        self._postponed: dict[str, Postponed] = {}
        self.declared = marked(account, declared)

    def plan(self, intents: Sequence[Intent]) -> StandingPlan:
        """Plan with the intents of all accounts, which share the budget."""
        now, own = self._now(), [i for i in intents if i.account == self._account]
        blocked, todo = {}, []
        for draft, obstacle in steps(self.declared, own, now):
            name = name_of(draft.request)
            if reason := obstacle or self._postponed_reason(name, now) or self._budget_reason(intents, now):
                blocked[name] = reason
            else:
                todo.append(draft)
        return StandingPlan([i for i in own if i.state.open and self._is_due(i, now)], todo, blocked)

    def on_search(self, intent: Intent) -> None:
        """Remember that the intent is searched now."""
        self._searched[intent.number] = self._now()

    def postpone(self, draft: Draft, reason: str) -> None:
        """Block the order for a while."""
        self._postponed[name_of(draft.request)] = Postponed(reason, self._now() + self._max_pause)

    def on_clock_step(self, by: timedelta) -> None:
        """Shift the remembered times after the clock was set back, so that no pause gets longer."""
        self._searched = {number: at + by for number, at in self._searched.items()}
        self._postponed = {n: Postponed(p.reason, p.until + by) for n, p in self._postponed.items()}

    def _postponed_reason(self, name: str, now: datetime) -> str | None:
        postponed = self._postponed.get(name)
        return postponed.reason if postponed and now < postponed.until else None

    def _budget_reason(self, intents: Sequence[Intent], now: datetime) -> str | None:
        budget = self._budget
        if not is_spent(budget, intents, now):
            return None
        return f"the budget of {budget.max_per_day} a day, {budget.max_total} in all is spent"

    def _is_due(self, intent: Intent, now: datetime) -> bool:
        """Search an intent less often the older it is: it was probably never accepted."""
        last = self._searched.get(intent.number)
        if last is None or last > now:  # in the future: the clock was set back
            return True
        age = last - (intent.ended_at or intent.written_at)
        return now - last >= min(max(_MIN_SEARCH_INTERVAL, age / 4), self._max_pause)
