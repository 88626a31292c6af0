"""Finite runs: one whole round, or a single delivery."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from orderwatch.app.attention import scope_of
from orderwatch.app.commands.progress import UNWATCHED, DownloadProgress, Progress, with_progress
from orderwatch.app.daemon.runtime import Runtime, open_runtime
from orderwatch.app.factories import catalog_trees
from orderwatch.app.notifications import drained
from orderwatch.config import Settings
from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.model import UNFINISHED, Delivery, DeliveryState, Order
from orderwatch.ops.log import Redactor
from orderwatch.service.catalog import CatalogUpdater
from orderwatch.service.clock import utc_now
from orderwatch.service.notifications.attention import AttentionTracker
from orderwatch.service.ordering.standing_orders import StandingOrders

_TRIES = 3  # at one delivery in one round
_TURN, _TURNS = 1.0, 90  # seconds between two tries to get the turn to order, and how many
_TRIED = (DeliveryState.WANTED, DeliveryState.WAITING, DeliveryState.PARKED)


@dataclass
class OnceResult:
    """What an operator should know of a finite run, and whether credentials were refused."""

    problems: list[str] = field(default_factory=list)
    refused: bool = False
    already: list[str] = field(default_factory=list)  # files that stand there, nothing was to do


async def run_once(settings: Settings, redactor: Redactor, progress: Progress = UNWATCHED) -> OnceResult:
    """Place what stands, look at every watched open order, fetch everything wanted, whatever its pause.

    Then tell everything untold, and the heartbeat URL that all is well.
    """
    outcome = OnceResult()
    async with open_runtime(settings, redactor) as app:
        await _look(app, outcome)
        for standing in app.standing_orders.values():
            await _order(standing)
            outcome.problems += await standing.problems()
            outcome.refused |= standing.refused
        tried = await app.store.deliveries(*_TRIED)
        await fetch_all(app, [d for d in tried if not _awaits_better_bytes(d)], progress)
        outcome.problems += _complaints(app, await app.store.deliveries(*UNFINISHED))
        outcome.problems += await CatalogUpdater(app.store, catalog_trees(settings, app.trees)).round()
        maintenance = AttentionTracker(app.store, scope=partial(scope_of, settings), now=utc_now)
        await maintenance.round()
        outcome.problems += await drained(app.dispatchers)
        if app.heartbeat is not None:
            app.heartbeat.attention = maintenance.read
            if not await app.heartbeat.ping(all_well=not outcome.problems):
                outcome.problems.append("the heartbeat URL does not answer")
    return outcome


async def run_delivery(
    settings: Settings, redactor: Redactor, scene_id: str, attachment: str, progress: Progress = UNWATCHED
) -> OnceResult:
    """Fetch one delivery; a round of looks comes first only where the database does not know it.

    Whoever runs next tells of it.
    """
    outcome = OnceResult()
    async with open_runtime(settings, redactor) as app:
        if not await _named(app, scene_id, attachment):
            await _look(app, outcome)
        known = await _named(app, scene_id, attachment)
        if not known:
            outcome.problems.append(
                f"{scene_id}/{attachment} is not known: no watched order has it;"
                " orderwatch status --json lists the scenes"
            )
            return outcome
        if wanted := [d for d in known if not d.state.settled]:
            await fetch_all(app, wanted, progress)
            left = [d for d in await _named(app, scene_id, attachment) if not d.state.settled]
            return OnceResult(problems=_complaints(app, left))
        return OnceResult(
            already=[str((d.root or settings.delivery.root) / Path(d.path)) for d in known if d.path]
        )


async def _order(standing: StandingOrders) -> None:
    """A round of it, in its turn."""
    for _ in range(_TURNS):
        await standing.round()
        if not standing.busy:
            return
        await asyncio.sleep(_TURN)


async def _look(app: Runtime, outcome: OnceResult) -> None:
    for poller in app.pollers.values():
        done = await poller.round(everything=True)
        outcome.problems += done.problems
        outcome.refused |= done.refused


async def _named(app: Runtime, scene_id: str, attachment: str) -> list[Delivery]:
    """Every version of it, in every order that has the scene."""
    named = (scene_id, attachment)
    return [d for d in await app.store.deliveries(*DeliveryState) if (d.scene_id, d.attachment) == named]


async def fetch_all(app: Runtime, wanted: Iterable[Delivery], progress: Progress = UNWATCHED) -> None:
    """A few attempts at each, several at once, whatever their pauses.

    Where a host takes no more at once, those that had to give way come one by one afterwards.
    """
    slots = asyncio.Semaphore(app.settings.delivery.parallel)
    chosen = await _in_turn(app, [d for d in wanted if d.account in app.settings.accounts])
    gave_way: list[Delivery] = []

    async def bring(delivery: Delivery, seen: DownloadProgress) -> None:
        async with slots:
            before, delivery = delivery, await _tried(app, delivery)
        if _gives_way(before, delivery):
            gave_way.append(delivery)
        else:
            seen.ended(delivery)

    async with with_progress(app.store, chosen, progress) as seen:
        async with asyncio.TaskGroup() as downloads:
            for delivery in chosen:
                downloads.create_task(bring(delivery, seen))
        for delivery in gave_way:
            seen.ended(await _tried(app, delivery))


async def _tried(app: Runtime, delivery: Delivery) -> Delivery:
    """After a few attempts, or one that gave way to others."""
    for _ in range(_TRIES):
        if delivery.state is DeliveryState.GIVEN_UP:
            move = machine.retry(delivery, utc_now())
            await app.store.record(move)
            delivery = move.delivery
        move = machine.claimed(delivery, utc_now())
        await app.store.record(move)
        before, delivery = delivery, await app.fetcher.fetch(move.delivery)
        if delivery.state is not DeliveryState.WAITING or _gives_way(before, delivery):
            break
    return delivery


def _gives_way(before: Delivery, after: Delivery) -> bool:
    """It may be tried again at once, and nothing was wrong with it."""
    waits = (
        after.state is DeliveryState.WAITING
        and after.attempts_without_progress == before.attempts_without_progress
    )
    return waits and after.not_before is not None and after.not_before <= utc_now()


async def _in_turn(app: Runtime, wanted: Collection[Delivery]) -> list[Delivery]:
    """As the daemon would take them."""
    orders: dict[tuple[str, int], Order] = {}
    for account in {d.account for d in wanted}:
        task_ids = {d.task_id for d in wanted if d.account == account}
        found = await app.store.orders_of(account, task_ids)
        orders |= {(account, task_id): order for task_id, order in found.items()}
    return sorted(wanted, key=lambda d: machine.rank(orders[d.account, d.task_id], d))


def _awaits_better_bytes(delivery: Delivery) -> bool:
    """Parked since the same wrong bytes came twice: not every round of a cron job fetches them again."""
    if delivery.state is not DeliveryState.PARKED or delivery.refused_sha256 is None:
        return False
    return delivery.not_before is None or delivery.not_before > utc_now()


def _complaints(app: Runtime, unfinished: Iterable[Delivery]) -> list[str]:
    return [
        f"order {d.task_id}, {d.scene_id}/{d.attachment}: {d.state}: {reason_of(app, d)}" for d in unfinished
    ]


def reason_of(app: Runtime, delivery: Delivery) -> str:
    """Why it is not stored."""
    if delivery.account not in app.settings.accounts:
        return f"account {delivery.account} is not in the configuration"
    return delivery.reason or "not fetched yet"
