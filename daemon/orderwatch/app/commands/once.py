"""Runs that end: one sweep with its downloads, or a single delivery."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

from orderwatch.app.attention import scope_of
from orderwatch.app.commands.progress import UNWATCHED, DownloadProgress, Progress, with_progress
from orderwatch.app.daemon.runtime import Runtime, open_runtime
from orderwatch.app.factories import catalog_trees
from orderwatch.app.notifications import drained
from orderwatch.app.plan import Plan
from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.model import UNFINISHED, Delivery, DeliveryState, Order
from orderwatch.ops.log import Redactor
from orderwatch.ports import Detail
from orderwatch.service.catalog import CatalogUpdater
from orderwatch.service.clock import utc_now
from orderwatch.service.notifications.attention import AttentionTracker
from orderwatch.service.ordering.standing_orders import StandingOrders

_MAX_ATTEMPTS = 3  # of a delivery in one run
_TURN_RETRY_SECONDS = 1.0
_MAX_TURN_RETRIES = 90  # while another process is ordering
_QUEUED_STATES = (DeliveryState.WANTED, DeliveryState.WAITING, DeliveryState.PARKED)


@dataclass
class OnceResult:
    """Problems of a run, and whether credentials were refused."""

    problems: list[str] = field(default_factory=list)
    refused: bool = False
    already: list[str] = field(default_factory=list)  # files that were stored before


async def run_once(plan: Plan, redactor: Redactor, progress: Progress = UNWATCHED) -> OnceResult:
    """Place standing orders, poll every watched open order, fetch every queued delivery despite its pause.

    Then send the pending notifications, and ping the heartbeat URL.
    """
    outcome = OnceResult()
    async with open_runtime(plan, redactor) as runtime:
        await _poll(runtime, outcome)
        for name, standing in runtime.standing_orders.items():
            if runtime.controls.pauses.of_polling(name) is not None:
                continue
            await _place_standing_orders(standing)
            outcome.problems += await standing.problems()
            outcome.refused |= standing.refused
        queued = await runtime.store.deliveries.in_states(*_QUEUED_STATES)
        await fetch_all(runtime, [d for d in queued if not _awaits_better_bytes(d)], progress)
        outcome.problems += _complaints(runtime, await runtime.store.deliveries.in_states(*UNFINISHED))
        outcome.problems += await CatalogUpdater(runtime.store, catalog_trees(plan, runtime.trees)).update()
        tracker = AttentionTracker(runtime.store.attention, scope=partial(scope_of, plan), now=utc_now)
        await tracker.update()
        outcome.problems += await drained(runtime.dispatchers)
        if runtime.heartbeat is not None:
            runtime.heartbeat.attention = tracker.read
            if not await runtime.heartbeat.ping(all_well=not outcome.problems):
                outcome.problems.append("the heartbeat URL does not respond")
    return outcome


async def run_delivery(
    plan: Plan, redactor: Redactor, scene_id: str, attachment: str, progress: Progress = UNWATCHED
) -> OnceResult:
    """Fetch one delivery; polls the orders first only if the database does not know it.

    The next run or the daemon sends its notifications.
    """
    outcome = OnceResult()
    async with open_runtime(plan, redactor) as runtime:
        if not await _named(runtime, scene_id, attachment):
            await _poll(runtime, outcome)
        known = await _named(runtime, scene_id, attachment)
        if not known:
            outcome.problems.append(
                f"{scene_id}/{attachment} is not known: no watched order has it;"
                " orderwatch status --json lists the scenes"
            )
            return outcome
        if unfinished := [d for d in known if not d.state.settled]:
            await fetch_all(runtime, unfinished, progress)
            left = [d for d in await _named(runtime, scene_id, attachment) if not d.state.settled]
            return OnceResult(problems=_complaints(runtime, left))
        return OnceResult(already=[f"{d.root or plan.roots[None]}/{d.path}" for d in known if d.path])


async def _place_standing_orders(standing: StandingOrders) -> None:
    """Place them once no other process is ordering."""
    for _ in range(_MAX_TURN_RETRIES):
        await standing.process()
        if not standing.busy:
            return
        await asyncio.sleep(_TURN_RETRY_SECONDS)


async def _poll(runtime: Runtime, outcome: OnceResult) -> None:
    for name, poller in runtime.pollers.items():
        if (pause := runtime.controls.pauses.of_polling(name)) is not None:
            outcome.problems.append(pause.reason)
            continue
        done = await poller.sweep(everything=True)
        outcome.problems += done.problems
        outcome.refused |= done.refused


async def _named(runtime: Runtime, scene_id: str, attachment: str) -> list[Delivery]:
    """Return every version of an attachment, in every order that has the scene."""
    named = (scene_id, attachment)
    return [
        d
        for d in await runtime.store.deliveries.in_states(*DeliveryState)
        if (d.scene_id, d.attachment) == named
    ]


async def fetch_all(runtime: Runtime, deliveries: Iterable[Delivery], progress: Progress = UNWATCHED) -> None:
    """Attempt each delivery a few times, several concurrently, despite their pauses.

    If a host limits connections, deliveries that gave way are fetched one by one afterwards.
    """
    slots = asyncio.Semaphore(runtime.plan.parallel)
    chosen = await _ranked(runtime, [d for d in deliveries if _may_fetch(runtime, d)])
    gave_way: list[Delivery] = []

    async def attempt(delivery: Delivery, seen: DownloadProgress) -> None:
        async with slots:
            before, delivery = delivery, await _attempted(runtime, delivery)
        if _gives_way(before, delivery):
            gave_way.append(delivery)
        else:
            seen.ended(delivery)

    async with with_progress(runtime.store, chosen, progress) as seen:
        async with asyncio.TaskGroup() as downloads:
            for delivery in chosen:
                downloads.create_task(attempt(delivery, seen))
        for delivery in gave_way:
            seen.ended(await _attempted(runtime, delivery))


def _may_fetch(runtime: Runtime, delivery: Delivery) -> bool:
    is_paused = runtime.controls.pauses.of_downloads(delivery.account) is not None
    return delivery.account in runtime.plan.accounts and not is_paused


async def _attempted(runtime: Runtime, delivery: Delivery) -> Delivery:
    """Return a delivery after a few attempts, or after one that gave way to others."""
    for _ in range(_MAX_ATTEMPTS):
        if delivery.state is DeliveryState.GIVEN_UP:
            move = machine.retry(delivery, utc_now())
            await runtime.store.deliveries.save(move)
            delivery = move.delivery
        before = delivery
        async with runtime.lease.term() as term:
            delivery = await runtime.store.deliveries.take(before, utc_now(), lease=runtime.lease.length)
            with runtime.lease.work_on([delivery]):
                delivery = await runtime.fetcher.fetch(delivery, may_act=term.may_act)
        if delivery.state is not DeliveryState.WAITING or _gives_way(before, delivery):
            break
    return delivery


def _gives_way(before: Delivery, after: Delivery) -> bool:
    """Return whether a delivery failed without a fault of its own and may be retried at once."""
    waits = (
        after.state is DeliveryState.WAITING
        and after.attempts_without_progress == before.attempts_without_progress
    )
    return waits and after.not_before is not None and after.not_before <= utc_now()


async def _ranked(runtime: Runtime, deliveries: Collection[Delivery]) -> list[Delivery]:
    """Return the deliveries in the daemon's order."""
    orders: dict[tuple[str, str], Order] = {}
    for account in {d.account for d in deliveries}:
        order_ids = {d.order_id for d in deliveries if d.account == account}
        found = await runtime.store.orders.get_many(account, order_ids, Detail.NONE)
        orders |= {(account, order_id): order for order_id, order in found.items()}
    return sorted(deliveries, key=lambda d: machine.rank(orders[d.account, d.order_id], d))


def _awaits_better_bytes(delivery: Delivery) -> bool:
    """Return whether the same wrong bytes came twice: not every run of a cron job fetches them again."""
    if delivery.state is not DeliveryState.PARKED or delivery.refused_sha256 is None:
        return False
    return delivery.not_before is None or delivery.not_before > utc_now()


def _complaints(runtime: Runtime, unfinished: Iterable[Delivery]) -> list[str]:
    return [
        f"order {d.order_id}, {d.scene_id}/{d.attachment}: {d.state}: {reason_of(runtime, d)}"
        for d in unfinished
    ]


def reason_of(runtime: Runtime, delivery: Delivery) -> str:
    """Return why a delivery is not stored."""
    if delivery.account not in runtime.plan.accounts:
        return f"account {delivery.account} is not in the configuration"
    if (pause := runtime.controls.pauses.of_downloads(delivery.account)) is not None:
        return pause.reason
    return delivery.reason or "not downloaded yet"
