"""The leases of deliveries: which host fetches what, and when another one may take it over.

A lease is over when its time is over, or when its owner is not the present process of any host. No process
takes over what it holds itself.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select, update

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.db.mappers import Row, delivery_of
from orderwatch.db.tables import deliveries, hosts

_IS_FETCHED = deliveries.c.state == DeliveryState.FETCHING
_IS_OWN = deliveries.c.owner == bindparam("boot")
_IS_LAPSED = or_(
    deliveries.c.owner.is_(None),
    and_(
        ~_IS_OWN,
        or_(deliveries.c.owner.not_in(select(hosts.c.boot)), deliveries.c.lease_until <= bindparam("at")),
    ),
)
LAPSED = select(deliveries.c.id).where(_IS_FETCHED, _IS_LAPSED)
"""What no live host fetches. Parameters: `boot` of the process that asks, and `at`."""

NOBODYS: Row = {"owner": None, "lease_until": None}
HAS_FENCE: ColumnElement[bool] = deliveries.c.fence == bindparam("of_fence")
_ALL_LAPSED = select(deliveries).where(_IS_FETCHED, _IS_LAPSED).order_by(deliveries.c.id)
_OWN = select(deliveries).where(_IS_FETCHED, _IS_OWN).order_by(deliveries.c.id)
_RENEWAL = update(deliveries).where(_IS_FETCHED, _IS_OWN).values(lease_until=bindparam("until"))


def renew(db: Connection, boot: str, until: datetime) -> None:
    """Renew every lease of one process."""
    db.execute(_RENEWAL, {"boot": boot, "until": until})


def lapsed(db: Connection, boot: str, at: datetime) -> list[Delivery]:
    """Return what no live host fetches any more."""
    return [delivery_of(row) for row in db.execute(_ALL_LAPSED, {"boot": boot, "at": at}).mappings()]


def own(db: Connection, boot: str) -> list[Delivery]:
    """Return what this process fetches."""
    return [delivery_of(row) for row in db.execute(_OWN, {"boot": boot}).mappings()]
