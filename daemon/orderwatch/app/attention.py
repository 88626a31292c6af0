"""Attention under one plan: what needs a person, for its accounts and watched orders."""

from collections.abc import Collection, Sequence
from datetime import datetime

from orderwatch.app.plan import Plan
from orderwatch.core.attention.attention import concerns, unacknowledged
from orderwatch.core.attention.concern import Concern, Scope
from orderwatch.core.model import Subject, Transition, TransitionKind
from orderwatch.core.orders.watches import OrderTraits
from orderwatch.db.repositories import Store
from orderwatch.provider.schemas import capture_phase, order_phase


async def concerns_of(plan: Plan, store: Store, now: datetime) -> Sequence[Concern]:
    """Return everything that needs a person now, the acknowledged too. Raises `DatabaseError`."""
    return concerns(await store.attention.evidence(now), now, scope_of(plan))


def scope_of(plan: Plan) -> Scope:
    """Return what counts under this plan."""

    def is_watched(account: str, order: OrderTraits) -> bool:
        return plan.accounts[account].watched.still_matches(order)

    return Scope(accounts=plan.accounts.keys(), is_watched=is_watched, knows=_knows)


def _knows(subject: Subject, word: str) -> bool:
    return (order_phase if subject is Subject.ORDER else capture_phase)(word) is not None


async def acknowledge(
    plan: Plan, store: Store, keys: Collection[tuple[str, str]] | None, words: str, now: datetime
) -> Sequence[Concern]:
    """Acknowledge what needs a person, of all orders or of those with these accounts and ids; return that.

    Each order's history records it, with `words`.
    """
    found = unacknowledged(await concerns_of(plan, store, now))
    chosen = [one for one in found if keys is None or (one.account, one.order_id) in keys]
    moves = [move for concern in chosen if (move := await _move(store, concern, words, now))]
    await store.attention.acknowledge(chosen, moves, now)
    return chosen


async def _move(store: Store, concern: Concern, words: str, now: datetime) -> Transition | None:
    if concern.account is None or concern.order_id is None:
        return None
    order = await store.orders.get(concern.account, concern.order_id)
    if order is None:
        return None
    word = order.status.word
    detail = f"{concern.reason.words} acknowledged {words}"
    return Transition(
        at=now,
        account=order.account,
        order_id=order.order_id,
        task_id=order.task_id,
        subject=Subject.ORDER,
        before=word,
        after=word,
        kind=TransitionKind.STEP,
        detail=f"{concern.name}: {detail}" if concern.scene_id else detail,
    )
