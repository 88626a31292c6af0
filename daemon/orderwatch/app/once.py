"""Finite runs: one whole round, or a single delivery."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from orderwatch.app.compose import App, open_app, utc_now
from orderwatch.config import Settings
from orderwatch.core import delivery as machine
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.ops.log import Redactor

_TRIES = 3  # at one delivery in one round
_TRIED = (DeliveryState.WANTED, DeliveryState.WAITING, DeliveryState.PARKED)
_UNFINISHED = (*_TRIED, DeliveryState.FETCHING, DeliveryState.GIVEN_UP)


@dataclass
class Outcome:
    """What an operator should know of a finite run, and whether credentials were refused."""

    problems: list[str] = field(default_factory=list)
    refused: bool = False


async def run_once(settings: Settings, redactor: Redactor) -> Outcome:
    """Look at every watched open order, then fetch everything wanted, whatever its pause."""
    outcome = Outcome()
    async with open_app(settings, redactor) as app:
        for poller in app.pollers.values():
            done = await poller.round(everything=True)
            outcome.problems += done.problems
            outcome.refused |= done.refused
        tried = await app.store.deliveries(*_TRIED)
        await _fetch_all(app, [d for d in tried if not _needs_operator(d)])
        outcome.problems += await _complaints(app)
    return outcome


async def run_delivery(settings: Settings, redactor: Redactor, scene_id: str, attachment: str) -> Outcome:
    """Fetch one delivery that is known and not stored yet, without looking at the provider's lists."""
    async with open_app(settings, redactor) as app:
        wanted = [d for d in await app.store.deliveries(*_UNFINISHED) if d.scene_id == scene_id]
        wanted = [d for d in wanted if d.attachment == attachment]
        if not wanted:
            return Outcome(problems=[f"{scene_id}/{attachment} is not wanted"])
        await _fetch_all(app, wanted)
        keys = {d.key for d in wanted}
        return Outcome(problems=await _complaints(app, keys))


async def _fetch_all(app: App, wanted: Iterable[Delivery]) -> None:
    turns = asyncio.Semaphore(app.settings.delivery.parallel)

    async def bring(delivery: Delivery) -> None:
        async with turns:
            for _ in range(_TRIES):
                if delivery.state is DeliveryState.GIVEN_UP:
                    move = machine.again(delivery, utc_now())
                    await app.store.record(move)
                    delivery = move.delivery
                move = machine.claimed(delivery, utc_now())
                await app.store.record(move)
                delivery = await app.fetcher.fetch(move.delivery)
                if delivery.state is not DeliveryState.WAITING:
                    return

    async with asyncio.TaskGroup() as downloads:
        for delivery in wanted:
            downloads.create_task(bring(delivery))


def _needs_operator(delivery: Delivery) -> bool:
    return delivery.state is DeliveryState.PARKED and delivery.not_before is None


async def _complaints(app: App, only: Iterable[object] | None = None) -> list[str]:
    chosen = None if only is None else set(only)
    return [
        f"order {d.task_id}, {d.scene_id}/{d.attachment}: {d.state}: {d.reason or 'not fetched yet'}"
        for d in await app.store.deliveries(*_UNFINISHED)
        if chosen is None or d.key in chosen
    ]
