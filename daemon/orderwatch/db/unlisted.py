"""What the catalogue lacks: the statement."""

from collections.abc import Sequence

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orderwatch.db.tables import deliveries
from orderwatch.ports import Unlisted


async def unlisted(db: AsyncConnection, root: str | None) -> Sequence[Unlisted]:
    """As of the snapshot that the connection has."""
    whole = deliveries.alias()
    same_scene = and_(
        whole.c.order_id == deliveries.c.order_id,
        whole.c.scene_id == deliveries.c.scene_id,
        whole.c.root.is_(root),
    )
    query = (
        select(deliveries.c.account, deliveries.c.task_id, deliveries.c.scene_id, func.max(whole.c.item))
        .join_from(deliveries, whole, same_scene)
        .where(deliveries.c.item.is_(None) != deliveries.c.stored_at.is_(None))
        .where(deliveries.c.root.is_(root))
        .group_by(deliveries.c.order_id, deliveries.c.scene_id)
    )
    return [Unlisted(*row) for row in await db.execute(query)]
