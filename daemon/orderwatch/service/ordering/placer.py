"""Orders for one account, each at most once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog

from orderwatch.cancellation import shielded
from orderwatch.core.model import Order
from orderwatch.core.ordering import intent as guard
from orderwatch.core.ordering.intent import Budget, Intent, IntentState, OrderList
from orderwatch.core.ordering.matching import equivalent
from orderwatch.core.ordering.provenance import provenance_of
from orderwatch.core.orders.observe import Verdict
from orderwatch.core.orders.snapshot import Observation, OrderSnapshot
from orderwatch.core.orders.watches import traits_of
from orderwatch.errors import (
    AnswerError,
    DatabaseError,
    ProviderError,
    RefusedError,
    RejectedError,
    UnclearError,
    UnexpectedError,
)
from orderwatch.ports import ListedRow, Store, Tasking
from orderwatch.service.error_boundary import contained
from orderwatch.service.polling.recorder import Recorder

log = structlog.get_logger()

_SEARCH_AGAIN = timedelta(seconds=10)
_HURRY = 5.0  # seconds that a request under way gets to end once we are to stop
_EVENTS = {
    IntentState.UNCLEAR: "intent.unclear",
    IntentState.ABSENT: "intent.absent",
    IntentState.REFUSED: "intent.refused",
    IntentState.UNSENT: "intent.unsent",
}


class PlaceOutcome(NamedTuple):
    """How far an intent came; `fresh` where its order became known just now.

    `error` says why it came no further, `status` is the word of an order that was there before, `over` where
    that one ended without bringing what was asked for.
    """

    intent: Intent
    fresh: bool = False
    error: ProviderError | None = None
    status: str | None = None
    over: bool = False


class Placer:
    """Who calls it holds the turn to order: whatever is found being sent, nobody is sending any more.

    An order that may have been taken is sent again only after two whole lists lacked it, the second one
    after the `wait`, and only where the caller has the user's word.
    """

    def __init__(
        self,
        tasking: Tasking,
        recorder: Recorder,
        store: Store,
        *,
        contract: str | None = None,
        wait: timedelta,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._tasking = tasking
        self._recorder = recorder
        self._account = recorder.account
        self._store = store
        self._contract = contract
        self._wait = wait
        self._now = now
        self._sleep = sleep

    async def order(
        self, intent: Intent, *, resume: bool = False, again: bool = False, budget: Budget | None = None
    ) -> PlaceOutcome | None:
        """Place it, unless that was done or may have been; None where the budget is exceeded.

        `resume`: the user wants it sent once more where it surely is absent. `again`: the user wants another
        one beside the one there is. Raises `ProviderError` where nothing of it was ever sent.
        """
        alike = [i for i in await self._store.intents() if equivalent(i.request, intent.request)]
        known = [i for i in alike if self._is_ours(i) or i.account == self._account]
        if unsettled := next((i for i in known if i.state.open), None):
            return await self._settle_known(unsettled, intent if resume else None)
        done = next((i for i in reversed(known) if i.state is IntentState.PLACED), None)
        if done is not None and not again:
            return await self._done(done)
        stock = await self.stock()
        if not again and (twins := guard.alike(intent.request, stock)):
            return await self._take_over(intent, twins[0])
        if not again and guard.nameless(intent.request, stock):
            raise AnswerError("the provider's list has orders that do not say what they are")
        sending = replace(guard.sending(intent, stock, self._now()), contract=self._contract)
        written = await self._store.intend(sending, self._now(), budget)
        return None if written is None else await self._send(written)

    async def settle(
        self, intent: Intent, stock: OrderList | None = None, *, resume: Intent | None = None
    ) -> PlaceOutcome:
        """Look for what became of an open intent, in this list or a new one. Raises `ProviderError`.

        With `resume` it is looked for until that is clear, and sent once more, as `resume` has it, if it
        surely was not taken.
        """
        if intent.state is IntentState.SENDING:
            words = "orderwatch ended while it was being sent"
            intent = await self._keep(intent, guard.unclear(intent, words, self._now()))
        if not self._is_ours(intent):
            words = "it was sent under another contract, and that one's list alone can tell"
            return PlaceOutcome(intent, error=AnswerError(words))
        waited = timedelta(0)
        while True:
            stock = stock or await self.stock()
            taken = (await self._owners()).keys()
            if seen := guard.found(intent, stock, taken):
                return await self._adopt(intent, seen)
            after, doubt = guard.searched(intent, stock, taken, self._wait, waited)
            intent = await self._keep(intent, after)
            if doubt is not None:
                return PlaceOutcome(intent, error=AnswerError(doubt))
            if resume is None:
                return PlaceOutcome(intent)
            if intent.state is IntentState.ABSENT:
                break
            if self._now() < intent.absent_at(self._wait):
                pause = min(_SEARCH_AGAIN, self._wait - waited)
                await self._sleep(pause.total_seconds())
                waited += pause
            stock = None
        renewed = guard.renewed(intent, resume)
        return await self._send(await self._keep(intent, guard.sending(renewed, stock, self._now())))

    async def stock(self) -> OrderList:
        """Every order of the account; nothing less proves anything. Raises `ProviderError`."""
        began, found, unreadable, total = self._now(), {}, 0, 0
        async for page in self._tasking.listing():
            total = max(total, page.total or 0)
            for row in page.rows:
                if seen := _read(row):
                    found[seen.task_id] = seen
                else:
                    unreadable += 1
        if len(found) + unreadable < total:
            raise AnswerError(f"the provider's list says {total} orders, and shows {len(found) + unreadable}")
        return OrderList(began, list(found.values()), unreadable)

    def _is_ours(self, intent: Intent) -> bool:
        """Whether our list tells of it."""
        return intent.contract == self._contract and (bool(self._contract) or intent.account == self._account)

    async def _owners(self) -> dict[int, Intent]:
        """Intents by their orders, as far as our list shows these."""
        return {i.task_id: i for i in await self._store.intents() if i.task_id and self._is_ours(i)}

    async def _settle_known(self, intent: Intent, resume: Intent | None) -> PlaceOutcome:
        if intent.account != self._account:
            return PlaceOutcome(intent, error=AnswerError(f"it was sent with the account {intent.account}"))
        try:
            return await self.settle(intent, resume=resume)
        except ProviderError as error:
            return PlaceOutcome(intent, error=error)

    async def _done(self, intent: Intent) -> PlaceOutcome:
        order = await self._store.order(intent.account, intent.task_id or 0)
        if order is None:
            return PlaceOutcome(intent)
        return PlaceOutcome(intent, status=order.status.word)

    async def _send(self, intent: Intent) -> PlaceOutcome:
        """One request, which who stops us lets end; what is written says already that it is being sent."""
        hurry = asyncio.Event()
        return await shielded(self._send_through(intent, hurry), hurry=hurry.set)

    async def _send_through(self, intent: Intent, hurry: asyncio.Event) -> PlaceOutcome:
        try:
            seen = await self._place(intent, hurry)
        except UnclearError as error:
            return await self._look_up(intent, error)
        except TimeoutError:
            words = "it was stopped while it was being sent"
            return PlaceOutcome(await self._keep(intent, guard.unclear(intent, words, self._now())))
        except ProviderError as error:
            refused = isinstance(error, RejectedError | RefusedError)
            after = guard.closed(intent, str(error), refused=refused)
            return PlaceOutcome(await self._keep(intent, after), error=error)
        if seen.task_id in {*intent.before, *await self._owners()}:
            odd = f"the provider answers with order {seen.task_id}, which was there before"
            return await self._look_up(intent, UnclearError(odd))
        after = await self._record(intent, seen)
        log.info("intent.placed", **_named(after), task_id=after.task_id)
        return PlaceOutcome(after, fresh=True)

    async def _place(self, intent: Intent, hurry: asyncio.Event) -> OrderSnapshot:
        """`TimeoutError` where it does not end soon after the hurry."""
        request = asyncio.ensure_future(self._tasking.place(intent.request.body))
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait({request, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        return await asyncio.wait_for(request, _HURRY)

    async def _look_up(self, intent: Intent, error: UnclearError) -> PlaceOutcome:
        """At once, since mostly the provider shows then whether it took it."""
        intent = await self._keep(intent, guard.unclear(intent, str(error), self._now()))
        outcome = await self._settle_known(intent, None)
        return outcome._replace(error=outcome.error or error)

    async def _take_over(self, intent: Intent, seen: OrderSnapshot) -> PlaceOutcome:
        """What is asked for is there, whoever placed it."""
        if owner := (await self._owners()).get(seen.task_id):
            return PlaceOutcome(owner, status=seen.status, over=guard.is_lost(seen))
        return await self._adopt(intent, seen)

    async def _adopt(self, intent: Intent, seen: OrderSnapshot) -> PlaceOutcome:
        after = await self._record(intent, seen)
        over = guard.is_lost(seen)
        say = log.warning if over else log.info
        say("intent.adopted", **_named(after), task_id=after.task_id, status=seen.status)
        return PlaceOutcome(after, fresh=True, status=seen.status, over=over)

    async def _record(self, intent: Intent, seen: OrderSnapshot) -> Intent:
        """The order, watched from now on, with what was done."""
        after = guard.placed(intent, seen.task_id)
        look = Observation(account=self._account, order=seen, captures=None)

        def decide(order: Order | None) -> Verdict:
            rules = self._recorder.rules(traits_of(order or seen))
            verdict = provenance_of(order, look, self._now(), rules, after.words)
            return replace(verdict, order=replace(verdict.order, ours=True))

        try:
            write = partial(self._store.settle, intent, after)
            await self._recorder.record(seen.task_id, decide, write=write)
        except DatabaseError as error:
            raise _unrecorded(after, f"placed as order {seen.task_id}", error) from error
        return after

    async def _keep(self, before: Intent, after: Intent) -> Intent:
        if after != before:
            try:
                await self._store.keep(before, after)
            except DatabaseError as error:
                raise _unrecorded(after, f"{after.state}: {after.reason}", error) from error
        if after.state in _EVENTS and after.state is not before.state:
            log.warning(_EVENTS[after.state], **_named(after), reason=after.reason)
        return after


def _unrecorded(intent: Intent, what: str, error: DatabaseError) -> DatabaseError:
    return DatabaseError(
        f'"{intent.request.task_name}" is {what}; that cannot be recorded: {error}; when it can, place it '
        "once more, without --again: it will be searched for, and not be placed twice"
    )


def _named(intent: Intent) -> dict[str, object]:
    return {
        "account": intent.account,
        "task_name": intent.request.task_name,
        "project_name": intent.request.project_name,
        "sends": intent.sends,
    }


def _read(row: ListedRow) -> OrderSnapshot | None:
    try:
        with contained():
            return row.read()
    except UnexpectedError:
        return None
