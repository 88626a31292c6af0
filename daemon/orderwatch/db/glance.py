"""The statements of a glance: counts, and the foremost of what is many."""

from sqlalchemy import case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.model import UNFINISHED, DeliveryState, OrderState
from orderwatch.core.statistics import Counts, Summary
from orderwatch.db.mappers import delivery_of, transition_of
from orderwatch.db.tables import deliveries, orders, problems, transitions

_RANKS = {  # of an order, by the first of its deliveries
    DeliveryState.FETCHING: 0,
    DeliveryState.PARKED: 1,
    DeliveryState.GIVEN_UP: 1,
    DeliveryState.WAITING: 2,
    DeliveryState.WANTED: 3,
}
_MOVING = (
    select(deliveries.c.order_id, func.min(case(_RANKS, value=deliveries.c.state)).label("rank"))
    .where(deliveries.c.state.in_(UNFINISHED))
    .group_by(deliveries.c.order_id)
    .subquery()
)
_FOREMOST = (
    select(orders.c.id, orders.c.account, orders.c.task_id)
    .outerjoin_from(orders, _MOVING, _MOVING.c.order_id == orders.c.id)
    .where(or_(orders.c.state != OrderState.DONE, _MOVING.c.rank.is_not(None)))
    .order_by(_MOVING.c.rank.nulls_last(), orders.c.next_look_at.nulls_last(), orders.c.id)
)
_ORDERS = select(orders.c.state, func.count()).group_by(orders.c.state)
_DELIVERIES = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
RUNNING = select(deliveries).where(deliveries.c.state == DeliveryState.FETCHING).order_by(deliveries.c.id)
PROBLEMS = select(problems).order_by(problems.c.began_at, problems.c.key)
_NEWEST = select(transitions).order_by(transitions.c.id.desc())


async def counted(db: AsyncConnection) -> Counts:
    """As of the snapshot that the connection has."""
    return Counts(
        orders={OrderState(state): n for state, n in await db.execute(_ORDERS)},
        deliveries={DeliveryState(state): n for state, n in await db.execute(_DELIVERIES)},
    )


async def glance(db: AsyncConnection, moves: int) -> Summary:
    """As of the snapshot that the connection has; without orders."""
    newest = (await db.execute(_NEWEST.limit(moves))).mappings().all()
    return Summary(
        counts=await counted(db),
        running=[delivery_of(row) for row in (await db.execute(RUNNING)).mappings()],
        moves=[transition_of(row) for row in reversed(newest)],
    )


async def foremost(db: AsyncConnection, most: int) -> tuple[list[int], dict[tuple[str, int], int]]:
    """Rows of the orders that are worth seeing, and the place of each by account and id.

    First come those that move or are in trouble.
    """
    chosen = (await db.execute(_FOREMOST.limit(most))).all()
    places = {(account, task_id): place for place, (_, account, task_id) in enumerate(chosen)}
    return [row for row, *_ in chosen], places
