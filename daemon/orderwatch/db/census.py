"""The statements of a census: a few counts, each one pass over a table."""

from collections.abc import Mapping

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.core.model import UNFINISHED, DeliveryState
from orderwatch.core.statistics import MetricCounts
from orderwatch.db.tables import accounts, captures, deliveries, intents, orders, outbox

_COMING = UNFINISHED - {DeliveryState.GIVEN_UP}
_COUNT = func.count()

_ORDERS = select(orders.c.account, orders.c.state, _COUNT).group_by(orders.c.account, orders.c.state)
_CAPTURES = (
    select(orders.c.account, captures.c.phase, _COUNT)
    .join_from(captures, orders)
    .group_by(orders.c.account, captures.c.phase)
)
_DELIVERIES = select(
    deliveries.c.account, deliveries.c.state, _COUNT, func.coalesce(func.sum(deliveries.c.size), 0)
).group_by(deliveries.c.account, deliveries.c.state)
_ITS_CAPTURE = and_(
    captures.c.order_id == deliveries.c.order_id, captures.c.capture_id == deliveries.c.capture_id
)
_OLDEST = (
    select(deliveries.c.account, func.min(captures.c.published_at))
    .join_from(deliveries, captures, _ITS_CAPTURE)
    .where(deliveries.c.state.in_(_COMING), captures.c.published_at.is_not(None))
    .group_by(deliveries.c.account)
)
_LISTED = select(accounts.c.account, accounts.c.listed_at).where(accounts.c.listed_at.is_not(None))
_INTENTS = select(intents.c.account, intents.c.state, _COUNT).group_by(intents.c.account, intents.c.state)
_LARGEST_PARKED = (  # one of unknown size takes any room
    select(deliveries.c.root, func.max(func.coalesce(deliveries.c.total - deliveries.c.durable, 1)))
    .where(deliveries.c.state == DeliveryState.PARKED)
    .group_by(deliveries.c.root)
)
_NOTES = select(outbox.c.channel, _COUNT).group_by(outbox.c.channel)


async def census(db: AsyncConnection) -> MetricCounts:
    """As of the snapshot that the connection has."""
    stored = (await db.execute(_DELIVERIES)).all()
    return MetricCounts(
        orders={(account, state): n for account, state, n in await db.execute(_ORDERS)},
        captures={(account, phase): n for account, phase, n in await db.execute(_CAPTURES)},
        deliveries={(account, state): n for account, state, n, _ in stored},
        intents={(account, state): n for account, state, n in await db.execute(_INTENTS)},
        stored_bytes={account: size for account, state, _, size in stored if state == DeliveryState.STORED},
        listed_at=dict((await db.execute(_LISTED)).all()),
        oldest=dict((await db.execute(_OLDEST)).all()),
        notes=dict((await db.execute(_NOTES)).all()),
        largest_parked=await largest_parked(db),
    )


async def largest_parked(db: AsyncConnection) -> Mapping[str | None, int]:
    """Return by root how many bytes the largest of its parked deliveries still lacks."""
    return dict((await db.execute(_LARGEST_PARKED)).all())
