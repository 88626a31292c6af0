"""Standing orders of one account: each placed once, within the budget; and open intents are looked for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from orderwatch.core.ordering.intent import Budget, Intent, IntentState, describe_outcome, how_to_resume
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import fingerprint
from orderwatch.core.ordering.standing_orders import is_spent, marked, name_of, steps, unfit
from orderwatch.errors import LockedError, ProviderError, RefusedError, UnexpectedError
from orderwatch.ports import Store, Tasking
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.error_boundary import contained
from orderwatch.service.liveness import Worker, unsupervised
from orderwatch.service.ordering.placer import PlaceOutcome, Placer
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_SOONEST = timedelta(seconds=10)
_SOURCE = "[[order]]"


class StandingPlan(NamedTuple):
    """Open intents to be searched for, orders to be placed, and what stands against the others, by name."""

    searches: Sequence[Intent]
    todo: Sequence[Draft]
    hindered: Mapping[str, str]


class Postponed(NamedTuple):
    reason: str
    until: datetime


class StandingOrders:
    """`may_order` raises `ProviderError` where the account cannot task; `turn` raises `LockedError`."""

    def __init__(
        self,
        account: str,
        declared: Sequence[Draft],
        placer: Placer,
        *,
        tasking: Tasking,
        store: Store,
        breaker: AccountBreaker,
        who: str,
        budget: Budget,
        resend: bool,
        interval: timedelta,
        slowest: timedelta,
        may_order: Callable[[], Awaitable[None]],
        turn: Callable[[], AbstractContextManager[None]],
        now: Callable[[], datetime],
        worker: Worker | None = None,
    ) -> None:
        self._account = account
        self._declared = marked(account, declared)
        self._placer = placer
        self._tasking = tasking
        self._store = store
        self._breaker = breaker
        self._who = who
        self._budget = budget
        self._resend = resend
        self._interval = interval
        self._slowest = slowest
        self._may_order = may_order
        self._turn = turn
        self._now = now
        self._worker = worker or unsupervised()
        self._not_before: datetime | None = None
        self._searched: dict[int, datetime] = {}
        self._hindered: dict[str, str] = {}  # what was said against each, by its name
        self._put_off: dict[str, Postponed] = {}
        self._failing: str | None = None
        self.refused = False  # credentials or contract, in the last round
        self.busy = False  # another process was ordering then

    async def run(self, tick: Wakeup) -> None:
        """Round after round, whenever the bell rings; trouble of the provider never ends it."""
        with self._worker:
            while True:
                self._worker.progress()
                ticket = tick.subscribe()
                await self.round()
                await ticket.wait()

    def stepped(self, by: timedelta) -> None:
        """Our clock was set: no pause ends later for it."""
        if by >= timedelta(0):
            return
        if self._not_before is not None:
            self._not_before += by
        self._searched = {number: at + by for number, at in self._searched.items()}
        self._put_off = {name: Postponed(off.reason, off.until + by) for name, off in self._put_off.items()}

    async def round(self) -> None:
        """Search for what is open, place what is declared and was not placed."""
        if self._breaker.is_open or (self._not_before is not None and self._now() < self._not_before):
            return
        self.refused = self.busy = False
        try:
            with contained(account=self._account):
                await self._round()
        except UnexpectedError as error:
            self._pause()
            self._say_failing(str(error))

    async def _round(self) -> None:
        plan = self._plan(await self._intents())
        if plan.searches or plan.todo:
            await self._take_turn()
            plan = self._plan(await self._intents())
        self._say_hindered(plan.hindered)

    async def problems(self) -> list[str]:
        """What is declared and not placed, and what may have been placed, as it now is."""
        plan = self._plan(intents := await self._intents())
        why = self._failing or (
            "another orderwatch is ordering" if self.busy else "its account is in trouble"
        )
        left = {name_of(draft.request): f"not placed yet: {why}" for draft in plan.todo}
        told = [f"standing order {name}: {reason}" for name, reason in {**left, **plan.hindered}.items()]
        return told + [
            f"order {name_of(intent.request)} {describe_outcome(intent, how_to_resume(intent))}"
            for intent in intents
            if intent.state.open
            and intent.account == self._account
            and intent.fingerprint not in self._declared
        ]

    async def _intents(self) -> Sequence[Intent]:
        """Of all accounts, whose budget is one; where nothing is declared, the open ones will do."""
        return await self._store.intents(unsettled=not self._declared)

    def _plan(self, intents: Sequence[Intent]) -> StandingPlan:
        now, own = self._now(), [i for i in intents if i.account == self._account]
        hindered, todo = {}, []
        for draft, hindrance in steps(self._declared, own, now):
            name = name_of(draft.request)
            if against := hindrance or self._off(name, now) or self._spent(intents, now):
                hindered[name] = against
            else:
                todo.append(draft)
        return StandingPlan([i for i in own if i.state.open and self._is_due(i, now)], todo, hindered)

    def _off(self, name: str, now: datetime) -> str | None:
        put_off = self._put_off.get(name)
        return put_off.reason if put_off and now < put_off.until else None

    def _spent(self, intents: Sequence[Intent], now: datetime) -> str | None:
        budget = self._budget
        spent = is_spent(budget, intents, now)
        return (
            f"the budget of {budget.max_per_day} a day, {budget.max_total} in all is spent" if spent else None
        )

    def _is_due(self, intent: Intent, now: datetime) -> bool:
        """Searched for ever more seldom: what is long lost was probably never taken."""
        last = self._searched.get(intent.number)
        if last is None or last > now:  # which is of a clock that was set back
            return True
        age = last - (intent.ended_at or intent.written_at)
        return now - last >= min(max(_SOONEST, age / 4), self._slowest)

    async def _take_turn(self) -> None:
        try:
            with self._turn():
                plan = self._plan(await self._intents())  # rows may have moved before it was ours
                await self._search(plan.searches)
                await self._place(plan.todo)
        except LockedError:
            self.busy = True  # the next ring comes soon
        except ProviderError as error:
            self._pause()
            self.refused = isinstance(error, RefusedError)
            self._say_failing(str(error))
        else:
            self._say_failing(None)

    async def _search(self, searches: Sequence[Intent]) -> None:
        stock = await self._placer.stock() if searches else None
        for intent in searches:
            self._worker.progress()
            self._searched[intent.number] = self._now()
            left = (await self._placer.settle(intent, stock)).intent
            if self._resend and left.standing_order and left.state is IntentState.ABSENT and left.sends == 1:
                await self._placer.settle(left, resume=left)

    async def _place(self, todo: Sequence[Draft]) -> None:
        if not todo:
            return
        await self._may_order()
        products = await self._tasking.products()
        for draft in todo:
            self._worker.progress()
            if against := unfit(draft.request, products):
                self._put(draft, against)
            else:
                self._heed(draft, await self._placer.order(self._intent(draft), budget=self._budget))

    def _heed(self, draft: Draft, outcome: PlaceOutcome | None) -> None:
        """Whatever did not end in an order is not asked for at every ring."""
        if outcome is None:  # another account spent the budget meanwhile
            self._pause()
        elif outcome.intent.account != self._account:
            self._put(
                draft, f"it is ordered with the account {outcome.intent.account}, under the same contract"
            )
        elif outcome.intent.state is IntentState.UNSENT and outcome.error is not None:
            raise outcome.error
        else:
            self.refused |= isinstance(outcome.error, RefusedError)

    def _put(self, draft: Draft, reason: str) -> None:
        self._put_off[name_of(draft.request)] = Postponed(reason, self._now() + self._slowest)

    def _pause(self) -> None:
        self._not_before = self._now() + self._interval

    def _intent(self, draft: Draft) -> Intent:
        digest = fingerprint(self._account, draft.request)
        act = Provenance(who=self._who, source=_SOURCE, digest=digest, note=draft.note)
        return Intent(
            account=self._account,
            request=draft.request,
            provenance=act,
            written_at=self._now(),
            standing_order=True,
        )

    def _say_hindered(self, hindered: Mapping[str, str]) -> None:
        for name in self._hindered.keys() - hindered.keys():
            log.info("ordering.unhindered", account=self._account, order=name)
        for name, reason in hindered.items():
            if self._hindered.get(name) != reason:
                log.warning("ordering.hindered", account=self._account, order=name, reason=reason)
        self._hindered = dict(hindered)

    def _say_failing(self, reason: str | None) -> None:
        if reason is not None and self._failing is None:
            log.warning("ordering.failed", account=self._account, reason=reason)
        elif reason is None and self._failing is not None:
            log.info("ordering.restored", account=self._account)
        self._failing = reason
