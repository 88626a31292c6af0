"""Places the standing orders of one account, each once and within the budget, and searches open intents."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

import structlog

from orderwatch.core.ordering.intent import Budget, Intent, IntentState, describe_outcome, how_to_resume
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import KnownOrderNames, fingerprint
from orderwatch.core.ordering.standing_orders import name_of, unfit
from orderwatch.errors import LockedError, ProviderError, RefusedError, UnexpectedError
from orderwatch.ports import Tasking
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.account_context import AccountContext
from orderwatch.service.error_boundary import contain_errors
from orderwatch.service.ordering.placer import PlaceOutcome, Placer
from orderwatch.service.ordering.standing_plan import StandingPlanner
from orderwatch.service.wakeup import Wakeup

log = structlog.get_logger()

_SOURCE = "[[order]]"


class StandingOrders:
    """The standing orders of one account.

    `may_order` raises `ProviderError` if the account cannot place orders; `turn` holds the ordering lock, or
    raises `LockedError`.
    """

    def __init__(
        self,
        context: AccountContext,
        declared: Sequence[Draft],
        placer: Placer,
        *,
        tasking: Tasking,
        breaker: AccountBreaker,
        who: str,
        budget: Budget,
        resend: bool,
        may_order: Callable[[], Awaitable[None]],
        turn: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._account = context.account
        self._planner = StandingPlanner(
            context.account, declared, budget, max_pause=context.pace.max_interval, now=context.now
        )
        self._placer = placer
        self._tasking = tasking
        self._store = context.store
        self._breaker = breaker
        self._who = who
        self._budget = budget
        self._resend = resend
        self._pace = context.pace
        self._may_order = may_order
        self._turn = turn
        self._now = context.now
        self._controls = context.controls
        self._worker = context.worker
        self._not_before: datetime | None = None
        self._blocked: dict[str, str] = {}  # logged reasons by name
        self._failing: str | None = None
        self.refused = False  # credentials or contract, at the last pass
        self.busy = False  # another process was ordering at the last pass

    async def run(self, tick: Wakeup) -> None:
        """Process at every wakeup, forever; errors of the provider never end it."""
        with self._worker:
            while True:
                self._worker.progress()
                ticket = tick.subscribe()
                if self._controls.pauses.of_polling(self._account) is None:
                    await self.process()
                await ticket.wait()

    def on_clock_step(self, by: timedelta) -> None:
        """Shift pauses after the clock was set back, so that none gets longer."""
        if by >= timedelta(0):
            return
        if self._not_before is not None:
            self._not_before += by
        self._planner.on_clock_step(by)

    async def process(self) -> None:
        """Search open intents, and place declared orders that are not placed yet."""
        if self._breaker.is_open or (self._not_before is not None and self._now() < self._not_before):
            return
        self.refused = self.busy = False
        try:
            with contain_errors(account=self._account):
                await self._process()
        except UnexpectedError as error:
            self._pause()
            self._log_failing(str(error))

    async def _process(self) -> None:
        plan = self._planner.plan(await self._intents())
        if plan.searches or plan.todo:
            await self._order_in_turn()
            plan = self._planner.plan(await self._intents())
        self._log_blocked(plan.blocked)

    async def problems(self) -> list[str]:
        """Return the declared orders that are not placed, and the open intents, each with its reason."""
        plan = self._planner.plan(intents := await self._intents())
        why = self._failing or (
            "another process is placing orders" if self.busy else "its account is unavailable"
        )
        unsettled = {name_of(draft.request): f"not placed yet: {why}" for draft in plan.todo}
        standing = [
            f"standing order {name}: {reason}" for name, reason in {**unsettled, **plan.blocked}.items()
        ]
        return standing + [
            f"order {name_of(intent.request)} {describe_outcome(intent, how_to_resume(intent))}"
            for intent in intents
            if intent.state.open
            and intent.account == self._account
            and intent.fingerprint not in self._planner.declared
        ]

    async def _intents(self) -> Sequence[Intent]:
        """Read the intents of all accounts, which share the budget; only open ones if nothing is declared."""
        return await self._store.intents.list_all(unsettled=not self._planner.declared)

    async def _order_in_turn(self) -> None:
        try:
            async with self._turn():
                plan = self._planner.plan(
                    await self._intents()
                )  # another process may have changed rows before
                await self._search(plan.searches)
                await self._place(plan.todo)
        except LockedError:
            self.busy = True  # retried at the next wakeup
        except ProviderError as error:
            self._pause()
            self.refused = isinstance(error, RefusedError)
            self._log_failing(str(error))
        else:
            self._log_failing(None)

    async def _search(self, searches: Sequence[Intent]) -> None:
        orders = await self._placer.requests.list_orders() if searches else None
        for intent in searches:
            self._worker.progress()
            self._planner.on_search(intent)
            unsettled = (await self._placer.settle(intent, orders)).intent
            if self._resend and unsettled.standing_order and _is_lost_once(unsettled):
                await self._placer.settle(unsettled, resume=unsettled)

    async def _place(self, todo: Sequence[Draft]) -> None:
        if not todo:
            return
        await self._may_order()
        known = await self._known()
        for draft in todo:
            self._worker.progress()
            if reason := unfit(draft.request, known):
                self._planner.postpone(draft, reason)
            else:
                outcome = await self._placer.order(self._intent(draft), budget=self._budget)
                self._handle_outcome(draft, outcome)

    async def _known(self) -> KnownOrderNames:
        products = None if self._tasking.orders_by_sku else await self._tasking.products()
        return KnownOrderNames(self._now(), products, self._tasking.orders_by_sku)

    def _handle_outcome(self, draft: Draft, outcome: PlaceOutcome | None) -> None:
        """Postpone what did not end in an order, so that it is not requested at every wakeup."""
        if outcome is None:  # another account has spent the budget
            self._pause()
        elif outcome.intent.account != self._account:
            owner = outcome.intent.account
            self._planner.postpone(draft, f"account {owner} has placed it, under the same contract")
        elif outcome.intent.state is IntentState.UNSENT and outcome.error is not None:
            raise outcome.error
        else:
            self.refused |= isinstance(outcome.error, RefusedError)

    def _pause(self) -> None:
        self._not_before = self._now() + self._pace.interval

    def _intent(self, draft: Draft) -> Intent:
        digest = fingerprint(self._account, draft.request)
        provenance = Provenance(who=self._who, source=_SOURCE, digest=digest, note=draft.note)
        return Intent(
            account=self._account,
            request=draft.request,
            provenance=provenance,
            written_at=self._now(),
            standing_order=True,
        )

    def _log_blocked(self, blocked: Mapping[str, str]) -> None:
        for name in self._blocked.keys() - blocked.keys():
            log.info("ordering.unhindered", account=self._account, order=name)
        for name, reason in blocked.items():
            if self._blocked.get(name) != reason:
                log.warning("ordering.hindered", account=self._account, order=name, reason=reason)
        self._blocked = dict(blocked)

    def _log_failing(self, reason: str | None) -> None:
        if reason is not None and self._failing is None:
            log.warning("ordering.failed", account=self._account, reason=reason)
        elif reason is None and self._failing is not None:
            log.info("ordering.restored", account=self._account)
        self._failing = reason


def _is_lost_once(intent: Intent) -> bool:
    return intent.state is IntentState.ABSENT and intent.sends == 1
