"""Places and cancels orders from the command line."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import NamedTuple

from orderwatch.app.factories import Factory, Turn, lanes_of, open_connection, ordering_turn
from orderwatch.app.held_database import held_database
from orderwatch.app.plan import Plan
from orderwatch.core.ordering.feasibility import Feasibility
from orderwatch.core.ordering.intent import Intent, forgotten
from orderwatch.core.ordering.matching import equivalent
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import KnownOrderNames, Request
from orderwatch.core.ordering.standing_orders import marked, name_of, steps
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.db.repositories import open_reader, open_store
from orderwatch.errors import LockedError, ProviderError
from orderwatch.ops.log import Redactor
from orderwatch.service.clock import Clock
from orderwatch.service.ordering.canceller import Canceller, CancelResult, require_cancelling
from orderwatch.service.ordering.placer import PlaceOutcome
from orderwatch.service.wakeup import Wakeup

_TURN_TIMEOUT_SECONDS = 90.0  # while another process is ordering
_TURN_RETRY_SECONDS = 0.2


class PlaceRequest(NamedTuple):
    """One order of a file, and the account to order it with."""

    account: str
    request: Request
    act: Provenance


class PlaceResult(NamedTuple):
    """The result of one order; without an outcome nothing was sent, and `error` is the reason."""

    order: PlaceRequest
    outcome: PlaceOutcome | None
    error: ProviderError | None


async def search_unclear(
    plan: Plan, redactor: Redactor, accounts: Iterable[str]
) -> dict[str, KnownOrderNames]:
    """Return what the orders of each account are checked against: its products, and the provider's time.

    Raises `ProviderError`; `RefusedError` if the credentials or the contract cannot task.
    """
    found = {}
    for account in accounts:
        clock = Clock()
        opening = open_connection(plan.accounts[account], plan.network, redactor, on_date=clock.on_date)
        async with opening as connection:
            await connection.require_tasking()
            by_sku = connection.tasking.orders_by_sku
            products = None if by_sku else await connection.tasking.products()
            found[account] = KnownOrderNames(clock.now(), products, by_sku)
    return found


class CheckResult(NamedTuple):
    """The provider's answer for one order; None with the `error` that came instead."""

    order: PlaceRequest
    found: Feasibility | None
    error: ProviderError | None = None


async def check_feasibility(
    plan: Plan, redactor: Redactor, orders: Sequence[PlaceRequest]
) -> list[CheckResult]:
    """Return whether each order could be carried out; places nothing."""
    results = []
    for one in orders:
        async with open_connection(plan.accounts[one.account], plan.network, redactor) as connection:
            try:
                found = await connection.tasking.feasibility(one.request.body)
            except ProviderError as error:
                results.append(CheckResult(one, None, error))
            else:
                results.append(CheckResult(one, found))
    return results


async def known_intents(plan: Plan, orders: Sequence[PlaceRequest]) -> list[Intent | None]:
    """Return the earlier intent of each: the newest that may have been ordered, else the newest."""
    intents = sorted(await _intents(plan), key=lambda i: (i.state.ordered, i.number), reverse=True)
    return [
        next((i for i in intents if i.account == one.account and equivalent(i.request, one.request)), None)
        for one in orders
    ]


async def why_blocked(plan: Plan, now: datetime) -> list[str]:
    """Return why standing orders that are not placed yet are blocked, as far as it is known locally."""
    known, found = await _intents(plan), []
    for account, planned in plan.accounts.items():
        own = [intent for intent in known if intent.account == account]
        left = steps(marked(account, planned.standing_orders), own, now)
        found += [f"order {name_of(draft.request)}: {against}" for draft, against in left if against]
    return found


async def place(
    plan: Plan,
    redactor: Redactor,
    orders: Sequence[PlaceRequest],
    report: Callable[[PlaceResult], None],
    *,
    resume: bool,
    again: bool,
) -> None:
    """Place each order, unless it was or may have been placed; `report` receives each result at once.

    Raises `LockedError` if another process keeps ordering.
    """
    parts = Factory(plan, random.SystemRandom(), Clock(), Wakeup())
    async with AsyncExitStack() as stack:
        turn = await stack.enter_async_context(open_ordering(plan))
        placers = {}
        for account in _accounts(orders):
            connection = await stack.enter_async_context(
                open_connection(
                    plan.accounts[account],
                    plan.network,
                    redactor,
                    on_date=parts.clock.on_date,
                    lanes=lanes_of(plan, turn.store),
                )
            )
            context = parts.context(plan.accounts[account], turn.store)
            placers[account] = parts.placer(context, parts.recorder(context), connection, turn.require)
        for one in orders:
            intent = Intent(
                account=one.account, request=one.request, provenance=one.act, written_at=parts.clock.now()
            )
            try:
                outcome = await placers[one.account].order(intent, resume=resume, again=again)
            except ProviderError as error:
                report(PlaceResult(one, None, error))
            else:
                report(PlaceResult(one, outcome, outcome.error if outcome else None))


async def forget(plan: Plan, orders: Sequence[PlaceRequest]) -> list[Intent]:
    """Stop searching for the unconfirmed intents of these orders; return them."""
    left = []
    async with open_ordering(plan) as turn:
        for one in orders:
            for intent in await turn.store.intents.list_all(one.account, unsettled=True):
                if equivalent(intent.request, one.request):
                    await turn.store.intents.update(intent, forgotten(intent, one.act.who))
                    left.append(intent)
    return left


@asynccontextmanager
async def open_ordering(plan: Plan) -> AsyncIterator[Turn]:
    """Open the database, creating it if needed, and hold the turn to order; works beside a running daemon."""
    database = plan.database.location
    async with AsyncExitStack() as stack:
        await _patiently(lambda: _create(plan))
        opened = await stack.enter_async_context(open_store(database))
        turn = ordering_turn(plan, opened, Clock().now)
        await _patiently(lambda: stack.enter_async_context(turn.hold()))
        turn.store.outbox.subscribe(plan.channels)
        yield turn


async def _create(plan: Plan) -> None:
    """Create the database if needed; several processes may do so at once."""
    if schema_of(plan.database.location) is not Schema.CURRENT:
        with held_database(plan.database):
            pass


async def _patiently(attempt: Callable[[], Awaitable[None]]) -> None:
    """Await the attempt, again and again while another process has the lock."""
    for _ in range(round(_TURN_TIMEOUT_SECONDS / _TURN_RETRY_SECONDS)):
        with suppress(LockedError):
            await attempt()
            return
        await asyncio.sleep(_TURN_RETRY_SECONDS)
    await attempt()


async def _intents(plan: Plan) -> Sequence[Intent]:
    """Return every intent; none without a database."""
    database = plan.database.location
    if schema_of(database) is not Schema.CURRENT:
        return []
    async with open_reader(database) as reader:
        return await reader.intents.list_all()


def _accounts(orders: Sequence[PlaceRequest]) -> Collection[str]:
    return dict.fromkeys(one.account for one in orders)


async def orders_named(plan: Plan, name: str) -> list[tuple[str, str]]:
    """Return account and id of the known orders with this order or task id, of configured accounts."""
    database = plan.database.location
    if schema_of(database) is not Schema.CURRENT:
        return []
    async with open_reader(database) as reader:
        found = await reader.orders.list_all(name)
    return [(order.account, order.order_id) for order in found if order.account in plan.accounts]


async def read_order(plan: Plan, redactor: Redactor, account: str, order_id: str) -> OrderSnapshot:
    """Read an order at the provider. Raises `ProviderError`, also if the account cannot task or cancel."""
    async with open_connection(plan.accounts[account], plan.network, redactor) as connection:
        require_cancelling(connection.tasking)
        await connection.require_tasking()
        return await connection.tasking.order(order_id)


async def cancel(
    plan: Plan, redactor: Redactor, account: str, order_id: str, act: Provenance
) -> CancelResult:
    """Cancel an order, unless it is over. Raises `ProviderError`."""
    parts, settings = Factory(plan, random.SystemRandom(), Clock(), Wakeup()), plan.accounts[account]
    async with (
        open_ordering(plan) as turn,
        open_connection(
            settings, plan.network, redactor, on_date=parts.clock.on_date, lanes=lanes_of(plan, turn.store)
        ) as connection,
    ):
        recorder = parts.recorder(parts.context(settings, turn.store))
        return await Canceller(connection.tasking, recorder, now=parts.clock.now).cancel(order_id, act)
