"""Attention as these settings have it: what needs a person, of the accounts and orders that count."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from orderwatch.app.plan import watched_of
from orderwatch.config import Settings
from orderwatch.core.attention.attention import concerns, unacknowledged
from orderwatch.core.attention.concern import Concern, Evidence, Scope
from orderwatch.core.model import Subject, Transition, TransitionKind
from orderwatch.core.orders.watches import OrderTraits
from orderwatch.db.store import Store
from orderwatch.provider.status_words import capture_phase, order_phase


class Records(Protocol):
    """Where the evidence is read."""

    async def attention(self, now: datetime) -> Evidence: ...


async def concerns_of(settings: Settings, records: Records, now: datetime) -> Sequence[Concern]:
    """Return everything that needs a person now, the acknowledged too. Raises `DatabaseError`."""
    return concerns(await records.attention(now), now, scope_of(settings))


def scope_of(settings: Settings) -> Scope:
    """Return what counts under these settings."""
    watched = {name: watched_of(name, settings) for name in settings.accounts}

    def is_watched(account: str, order: OrderTraits) -> bool:
        return watched[account].still_matches(order)

    return Scope(accounts=settings.accounts.keys(), is_watched=is_watched, knows=_knows)


def _knows(subject: Subject, word: str) -> bool:
    return (order_phase if subject is Subject.ORDER else capture_phase)(word) is not None


async def acknowledge(
    settings: Settings, store: Store, task_id: int | None, words: str, now: datetime
) -> Sequence[Concern]:
    """Take what needs a person out of the list, or only what is about one order; returns what was taken out.

    The history of each order records it, in these words.
    """
    chosen = [
        concern
        for concern in unacknowledged(await concerns_of(settings, store, now))
        if task_id in (None, concern.task_id)
    ]
    moves = [move for concern in chosen if (move := await _move(store, concern, words, now))]
    await store.acknowledge(chosen, moves, now)
    return chosen


async def _move(store: Store, concern: Concern, words: str, now: datetime) -> Transition | None:
    if concern.account is None or concern.task_id is None:
        return None
    order = await store.order(concern.account, concern.task_id)
    if order is None:
        return None
    word = order.status.word
    detail = f"{concern.reason.words} acknowledged {words}"
    return Transition(
        at=now,
        account=order.account,
        task_id=order.task_id,
        subject=Subject.ORDER,
        before=word,
        after=word,
        kind=TransitionKind.STEP,
        detail=f"{concern.name}: {detail}" if concern.scene_id else detail,
    )
