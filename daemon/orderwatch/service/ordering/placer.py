"""Places orders of one account, each at most once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import structlog

from orderwatch.cancellation import shielded
from orderwatch.core.model import Order
from orderwatch.core.ordering import intent as intents
from orderwatch.core.ordering.intent import Budget, Intent, IntentState, OrderList
from orderwatch.core.ordering.matching import equivalent
from orderwatch.core.ordering.provenance import provenance_of
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.snapshot import Observation, OrderSnapshot
from orderwatch.core.orders.watches import traits_of
from orderwatch.errors import (
    AnswerError,
    DatabaseError,
    LostShiftError,
    ProviderError,
    RefusedError,
    RejectedError,
    UnclearError,
)
from orderwatch.ports import Check, Tasking
from orderwatch.service.account_context import AccountContext
from orderwatch.service.ordering.order_requests import OrderRequests
from orderwatch.service.polling.recorder import Recorder

log = structlog.get_logger()

_SEARCH_INTERVAL = timedelta(seconds=10)
_EVENTS = {
    IntentState.UNCLEAR: "intent.unclear",
    IntentState.ABSENT: "intent.absent",
    IntentState.REFUSED: "intent.refused",
    IntentState.UNSENT: "intent.unsent",
}


class PlaceOutcome(NamedTuple):
    """The state of an intent after placing or searching it; `fresh` if its order became known just now.

    `error` says why it is not placed. `status` is that of an order that existed before; `over` if that order
    ended without a result.
    """

    intent: Intent
    fresh: bool = False
    error: ProviderError | None = None
    status: str | None = None
    over: bool = False


class Placer:
    """Places and searches intents. Callers hold the ordering lock, so no other process is sending.

    An order that the provider may have accepted is sent again only after two complete lists lacked it, the
    second one after `wait`, and only if the user agreed. `before_send` raises `ProviderError` if
    another process may have the lock by now.
    """

    def __init__(
        self,
        context: AccountContext,
        tasking: Tasking,
        recorder: Recorder,
        *,
        contract: str | None = None,
        wait: timedelta,
        before_send: Check = bool,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.requests = OrderRequests(tasking, context.now, before_send)
        self._recorder = recorder
        self._account = context.account
        self._store = context.store
        self._contract = contract
        self._wait = wait
        self._now = context.now
        self._sleep = sleep

    async def order(
        self, intent: Intent, *, resume: bool = False, again: bool = False, budget: Budget | None = None
    ) -> PlaceOutcome | None:
        """Place an order unless it is placed already or may be; returns None if the budget is exceeded.

        `resume` resends it if it is certainly absent; `again` places a duplicate of an existing order. Raises
        `ProviderError` if nothing was sent.
        """
        similar = [i for i in await self._store.intents.list_all() if equivalent(i.request, intent.request)]
        known = [i for i in similar if self._is_visible(i) or i.account == self._account]
        if unsettled := next((i for i in known if i.state.open), None):
            return await self._settle_safely(unsettled, intent if resume else None)
        done = next((i for i in reversed(known) if i.state is IntentState.PLACED), None)
        if done is not None and not again:
            return await self._existing(done)
        orders = await self.requests.list_orders()
        if not again and (matches := intents.alike(intent.request, orders)):
            return await self._adopt_existing(intent, matches[0])
        if not again and intents.nameless(intent.request, orders):
            raise AnswerError(
                "the provider's list has orders without a name, so orderwatch cannot search for this one"
            )
        sending = replace(intents.sending(intent, orders, self._now()), contract=self._contract)
        written = await self._store.intents.add(sending, self._now(), budget)
        return None if written is None else await self._send(written)

    async def settle(
        self, intent: Intent, orders: OrderList | None = None, *, resume: Intent | None = None
    ) -> PlaceOutcome:
        """Search an open intent's order, in this list or a new one. Raises `ProviderError`.

        With `resume` the search continues until it is certain, and `resume` is sent if the order is absent.
        """
        if intent.state is IntentState.SENDING:
            reason = "orderwatch stopped while it was being sent"
            intent = await self._save(intent, intents.unclear(intent, reason, self._now()))
        if not self._is_visible(intent):
            reason = "it was sent under another contract, and only that contract's list would show it"
            return PlaceOutcome(intent, error=AnswerError(reason))
        waited = timedelta(0)
        while True:
            orders = orders or await self.requests.list_orders()
            taken = (await self._intents_by_order()).keys()
            if seen := intents.found(intent, orders, taken):
                return await self._adopt(intent, seen)
            after, doubt = intents.searched(intent, orders, taken, self._wait, waited)
            intent = await self._save(intent, after)
            if doubt is not None:
                return PlaceOutcome(intent, error=AnswerError(doubt))
            if resume is None:
                return PlaceOutcome(intent)
            if intent.state is IntentState.ABSENT:
                break
            if self._now() < intent.absent_at(self._wait):
                pause = min(_SEARCH_INTERVAL, self._wait - waited)
                await self._sleep(pause.total_seconds())
                waited += pause
            orders = None
        renewed = intents.renewed(intent, resume)
        return await self._send(await self._save(intent, intents.sending(renewed, orders, self._now())))

    def _is_visible(self, intent: Intent) -> bool:
        """Return whether this account's list would show the intent's order."""
        return intent.contract == self._contract and (bool(self._contract) or intent.account == self._account)

    async def _intents_by_order(self) -> dict[str, Intent]:
        """Return the placed intents that this account's list would show, by order_id."""
        return {
            i.order_id: i for i in await self._store.intents.list_all() if i.order_id and self._is_visible(i)
        }

    async def _settle_safely(self, intent: Intent, resume: Intent | None) -> PlaceOutcome:
        if intent.account != self._account:
            return PlaceOutcome(intent, error=AnswerError(f"it was sent with the account {intent.account}"))
        try:
            return await self.settle(intent, resume=resume)
        except ProviderError as error:
            return PlaceOutcome(intent, error=error)

    async def _existing(self, intent: Intent) -> PlaceOutcome:
        order = await self._store.orders.get(intent.account, intent.order_id or "")
        return PlaceOutcome(intent, status=order.status.word if order else None)

    async def _send(self, intent: Intent) -> PlaceOutcome:
        """Send one request; the store already says that it is being sent. A stop lets it end first."""
        stopping = asyncio.Event()
        return await shielded(self._send_and_record(intent, stopping), hurry=stopping.set)

    async def _send_and_record(self, intent: Intent, stopping: asyncio.Event) -> PlaceOutcome:
        try:
            seen = await self.requests.place(intent.request.body, stopping)
        except UnclearError as error:
            return await self._search_now(intent, error)
        except TimeoutError:
            reason = "orderwatch was stopped while it was being sent"
            return PlaceOutcome(await self._save(intent, intents.unclear(intent, reason, self._now())))
        except ProviderError as error:
            refused = isinstance(error, RejectedError | RefusedError)
            after = intents.closed(intent, str(error), refused=refused)
            return PlaceOutcome(await self._save(intent, after), error=error)
        if seen.order_id in {*intent.before, *await self._intents_by_order()}:
            reason = f"the provider returned order {seen.order_id}, which existed before"
            return await self._search_now(intent, UnclearError(reason))
        after = await self._record(intent, seen)
        log.info("intent.placed", **_log_fields(after), **seen.key._asdict())
        return PlaceOutcome(after, fresh=True)

    async def _search_now(self, intent: Intent, error: UnclearError) -> PlaceOutcome:
        """Search at once, because the list usually shows already whether the provider accepted the order."""
        intent = await self._save(intent, intents.unclear(intent, str(error), self._now()))
        outcome = await self._settle_safely(intent, None)
        return outcome._replace(error=outcome.error or error)

    async def _adopt_existing(self, intent: Intent, seen: OrderSnapshot) -> PlaceOutcome:
        """Adopt an equivalent order, no matter who placed it."""
        if owner := (await self._intents_by_order()).get(seen.order_id):
            return PlaceOutcome(owner, status=seen.status, over=intents.is_lost(seen))
        return await self._adopt(intent, seen)

    async def _adopt(self, intent: Intent, seen: OrderSnapshot) -> PlaceOutcome:
        after = await self._record(intent, seen)
        over = intents.is_lost(seen)
        write_log = log.warning if over else log.info
        write_log("intent.adopted", **_log_fields(after), **seen.key._asdict(), status=seen.status)
        return PlaceOutcome(after, fresh=True, status=seen.status, over=over)

    async def _record(self, intent: Intent, seen: OrderSnapshot) -> Intent:
        """Record the order, which is watched from now on, together with the placed intent."""
        after = intents.placed(intent, seen)
        look = Observation(account=self._account, order=seen, captures=None)

        def decide(order: Order | None) -> Verdict:
            rules = self._recorder.rules(traits_of(order or seen))
            verdict = provenance_of(order, look, self._now(), rules, after.words)
            return replace(verdict, order=replace(verdict.order, ours=True))

        try:
            write = partial(self._store.intents.settle, intent, after)
            await self._recorder.record(seen.order_id, decide, write=write)
        except (DatabaseError, LostShiftError) as error:
            raise _unrecorded(after, f"placed as order {seen.order_id}", error) from error
        return after

    async def _save(self, before: Intent, after: Intent) -> Intent:
        if after != before:
            try:
                await self._store.intents.update(before, after)
            except (DatabaseError, LostShiftError) as error:
                raise _unrecorded(after, f"{after.state}: {after.reason}", error) from error
        if after.state in _EVENTS and after.state is not before.state:
            log.warning(_EVENTS[after.state], **_log_fields(after), reason=after.reason)
        return after


def _unrecorded(
    intent: Intent, what: str, error: DatabaseError | LostShiftError
) -> DatabaseError | LostShiftError:
    kind = LostShiftError if isinstance(error, LostShiftError) else DatabaseError
    return kind(
        f'"{intent.request.task_name}" is {what}, but the database cannot record it: {error}; once it can, '
        "place it again, without --again: orderwatch will search for it and not place it twice"
    )


def _log_fields(intent: Intent) -> dict[str, object]:
    return {
        "account": intent.account,
        "task_name": intent.request.task_name,
        "project_name": intent.request.project_name,
        "sends": intent.sends,
    }
