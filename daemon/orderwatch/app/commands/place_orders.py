"""Placing and cancelling from the command line: what can be known before, and the act itself."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import NamedTuple

from orderwatch.app.factories import Factory, held_database, open_connection
from orderwatch.app.notifications import channels_of
from orderwatch.app.plan import declared_of
from orderwatch.config import Settings
from orderwatch.core.ordering.intent import Intent, forgotten
from orderwatch.core.ordering.matching import equivalent
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.core.ordering.request import KnownOrderNames, Request
from orderwatch.core.ordering.standing_orders import marked, name_of, steps
from orderwatch.core.orders.snapshot import OrderSnapshot
from orderwatch.db.lock import turn_to_order
from orderwatch.db.migrate import Schema, schema_of
from orderwatch.db.reader import open_reader
from orderwatch.db.store import Store, open_store
from orderwatch.errors import LockedError, ProviderError
from orderwatch.ops.log import Redactor
from orderwatch.service.clock import Clock
from orderwatch.service.ordering.canceller import Canceller, CancelResult
from orderwatch.service.ordering.placer import PlaceOutcome
from orderwatch.service.wakeup import Wakeup

_PATIENCE = 90.0  # seconds that another process gets to end its ordering
_MOMENT = 0.2  # seconds between two tries to get the turn


class PlaceRequest(NamedTuple):
    """One order of a file, and the account to order it with."""

    account: str
    request: Request
    act: Provenance


class PlaceResult(NamedTuple):
    """What came of one order; without an outcome nothing was sent, and `error` says why."""

    asked: PlaceRequest
    outcome: PlaceOutcome | None
    error: ProviderError | None


async def search_unclear(
    settings: Settings, redactor: Redactor, accounts: Iterable[str]
) -> dict[str, KnownOrderNames]:
    """What bears on the orders of each account: its products, and the time of day as the provider has it.

    Raises `ProviderError`: `RefusedError` where the credentials or the contract cannot task.
    """
    found = {}
    for account in accounts:
        clock = Clock()
        async with open_connection(account, settings, redactor, heard=clock.heard) as connection:
            await connection.must_task()
            found[account] = KnownOrderNames(products=await connection.tasking.products(), now=clock.now())
    return found


async def known_intents(settings: Settings, asked: Sequence[PlaceRequest]) -> list[Intent | None]:
    """What was meant of each before: the newest that may have been ordered, else the newest."""
    intents = sorted(await _intents(settings), key=lambda i: (i.state.ordered, i.number), reverse=True)
    return [
        next((i for i in intents if i.account == one.account and equivalent(i.request, one.request)), None)
        for one in asked
    ]


async def why_blocked(settings: Settings, now: datetime) -> list[str]:
    """What stands against the standing orders that were not placed yet, as far as it is known here."""
    known, found = await _intents(settings), []
    for account in settings.accounts:
        own = [intent for intent in known if intent.account == account]
        left = steps(marked(account, declared_of(account, settings)), own, now)
        found += [f"order {name_of(draft.request)}: {against}" for draft, against in left if against]
    return found


async def place(
    settings: Settings,
    redactor: Redactor,
    asked: Sequence[PlaceRequest],
    tell: Callable[[PlaceResult], None],
    *,
    resume: bool,
    again: bool,
) -> None:
    """Place each order, unless it was or may have been placed; `tell` hears of each as soon as it is known.

    Raises `LockedError` where another process orders all the time.
    """
    parts = Factory(settings, random.SystemRandom(), Clock(), Wakeup())
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_order_store(settings))
        orderers = {}
        for account in _accounts(asked):
            connection = await stack.enter_async_context(
                open_connection(account, settings, redactor, heard=parts.clock.heard)
            )
            orderers[account] = parts.placer(parts.recorder(account, store), connection, store)
        for one in asked:
            intent = Intent(
                account=one.account, request=one.request, provenance=one.act, written_at=parts.clock.now()
            )
            try:
                outcome = await orderers[one.account].order(intent, resume=resume, again=again)
            except ProviderError as error:
                tell(PlaceResult(one, None, error))
            else:
                tell(PlaceResult(one, outcome, outcome.error if outcome else None))


async def forget(settings: Settings, asked: Sequence[PlaceRequest]) -> list[Intent]:
    """Search no more for what is open of these orders, on the user's word; returns what it was."""
    left = []
    async with open_order_store(settings) as store:
        for one in asked:
            for intent in await store.intents(one.account, unsettled=True):
                if equivalent(intent.request, one.request):
                    await store.keep(intent, forgotten(intent, one.act.who))
                    left.append(intent)
    return left


@asynccontextmanager
async def open_order_store(settings: Settings) -> AsyncIterator[Store]:
    """The database, made where there is none, with the turn to order; beside a running daemon too."""
    database = settings.database.path
    async with AsyncExitStack() as stack:
        for left in range(round(_PATIENCE / _MOMENT), -1, -1):
            try:
                if schema_of(database) is not Schema.CURRENT:  # several may be the first
                    with held_database(settings):
                        pass
                stack.enter_context(turn_to_order(database))
                break
            except LockedError:
                if not left:
                    raise
                await asyncio.sleep(_MOMENT)
        store = await stack.enter_async_context(open_store(database))
        store.tell(channels_of(settings))
        yield store


async def _intents(settings: Settings) -> Sequence[Intent]:
    """None where there is no database yet."""
    database = settings.database.path
    if schema_of(database) is not Schema.CURRENT:
        return []
    async with open_reader(database) as reader:
        return await reader.intents()


def _accounts(asked: Sequence[PlaceRequest]) -> Collection[str]:
    return dict.fromkeys(one.account for one in asked)


async def accounts_of(settings: Settings, task_id: int) -> list[str]:
    """The configured accounts that are known to have this order."""
    database = settings.database.path
    if schema_of(database) is not Schema.CURRENT:
        return []
    async with open_reader(database) as reader:
        return [o.account for o in await reader.orders(task_id) if o.account in settings.accounts]


async def look_at(settings: Settings, redactor: Redactor, account: str, task_id: int) -> OrderSnapshot:
    """The order as the provider shows it now. Raises `ProviderError`, also where the account cannot task."""
    async with open_connection(account, settings, redactor) as connection:
        await connection.must_task()
        return await connection.tasking.order(task_id)


async def cancel(
    settings: Settings, redactor: Redactor, account: str, task_id: int, act: Provenance
) -> CancelResult:
    """Cancel it, unless it is over. Raises `ProviderError`."""
    parts = Factory(settings, random.SystemRandom(), Clock(), Wakeup())
    async with (
        open_order_store(settings) as store,
        open_connection(account, settings, redactor, heard=parts.clock.heard) as connection,
    ):
        recorder = parts.recorder(account, store)
        return await Canceller(connection.tasking, recorder, now=parts.clock.now).cancel(task_id, act)
