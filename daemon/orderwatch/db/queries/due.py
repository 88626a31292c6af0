"""Which delivery is fetched next, found without reading the whole queue."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    true,
    union_all,
)

from orderwatch.core.deliveries.hosts import HostKey
from orderwatch.core.model import DeliveryState
from orderwatch.db.cluster.leases import LAPSED
from orderwatch.db.tables import captures, deliveries, orders

_RETRIED = (DeliveryState.WAITING, DeliveryState.PARKED)
_MAX_RETRIED = 1000  # of a state, that are compared with one another
_MAX_QUERIES = 64  # kept for the present accounts, hosts and trees
CAPTURE_OF_DELIVERY = and_(
    captures.c.order_row == deliveries.c.order_row, captures.c.capture_id == deliveries.c.capture_id
)
IS_WANTED = deliveries.c.state == DeliveryState.WANTED
_ALL_WANTED = select(deliveries.c.id).where(IS_WANTED)

# The first wanted delivery of each capture, each found by a step in the index from the one before.
_here, _next = deliveries.alias("here"), deliveries.alias("next")
_IN_TURN = select(_next.c.id).where(_next.c.state == DeliveryState.WANTED)
_IN_TURN = _IN_TURN.order_by(_next.c.order_row, _next.c.capture_id).limit(1)
_OF_SAME_ORDER = _IN_TURN.where(
    _next.c.order_row == _here.c.order_row, _next.c.capture_id > _here.c.capture_id
).scalar_subquery()
_OF_NEXT_ORDER = _IN_TURN.where(_next.c.order_row > _here.c.order_row).scalar_subquery()
_HEADS = select(_IN_TURN.scalar_subquery().label("id")).cte("heads", recursive=True)
_HEADS = _HEADS.union_all(
    select(func.coalesce(_OF_SAME_ORDER, _OF_NEXT_ORDER)).join_from(_HEADS, _here, _here.c.id == _HEADS.c.id)
)


@lru_cache(_MAX_QUERIES)
def next_due(
    dialect: str,
    accounts: tuple[str, ...],
    resting: tuple[HostKey, ...],
    doubted: tuple[HostKey, ...],
    roots: tuple[tuple[str | None, bool], ...],
) -> Select[Any]:
    """Select the due delivery to fetch next: rush orders, then by publication, then by size.

    Before all others go those from doubted hosts, of these the one tried least. `roots` are marked if nothing
    may be written there. What no live host fetches any more is due. Parameters: `now`, `beyond`, those of
    `LAPSED`, and `room_N` for the Nth root.
    """
    # Not IN, whose parameters SQLAlchemy writes into the text of the statement at each execution.
    is_of_accounts = or_(false(), *(deliveries.c.account == name for name in accounts))
    is_fit = and_(is_of_accounts, ~_is_from(resting), _fits(roots))
    tried_least: list[ColumnElement[Any]] = []
    wanted, limit = _ALL_WANTED.where(is_fit), None
    if doubted:
        is_doubted = _is_from(doubted)
        tried = (deliveries.c.attempts, deliveries.c.not_before)
        tried_least = [is_doubted.desc(), *(case((is_doubted, column)) for column in tried)]
    elif dialect == "sqlite":  # PostgreSQL reads the whole queue sooner than it steps from capture to capture
        wanted, limit = _foremost_wanted(is_fit), _MAX_RETRIED
    among = union_all(wanted, LAPSED, *_retried(is_fit, limit))
    first = (
        select(deliveries.c.id)
        .join_from(deliveries, orders, orders.c.id == deliveries.c.order_row)
        .outerjoin(captures, CAPTURE_OF_DELIVERY)
        .where(_is_among(among, dialect), is_fit)
        .order_by(
            *tried_least,
            orders.c.priority.desc(),
            captures.c.published_at,
            deliveries.c.attachment == "delivery_zip",
            deliveries.c.total.nulls_last(),
            deliveries.c.id,
        )
        .limit(1)
    )
    return select(deliveries).where(deliveries.c.id == first.scalar_subquery())


def _is_among(ids: CompoundSelect[Any], dialect: str) -> ColumnElement[bool]:
    """Whether the delivery is one of these; PostgreSQL without statistics would select them for each row."""
    if dialect == "sqlite":
        return deliveries.c.id.in_(ids)
    return deliveries.c.id == func.any(func.array(ids.scalar_subquery()))


def _foremost_wanted(is_fit: ColumnElement[bool]) -> Select[Any]:
    """Select the wanted deliveries of the capture that comes first, and of those that equal it."""
    has_fit = (
        select(deliveries.c.id)
        .where(
            IS_WANTED,
            deliveries.c.order_row == _here.c.order_row,
            deliveries.c.capture_id == _here.c.capture_id,
            is_fit,
        )
        .exists()
    )
    queued = (
        select(_here.c.order_row, _here.c.capture_id, orders.c.priority, captures.c.published_at)
        .join_from(_HEADS, _here, _here.c.id == _HEADS.c.id)
        .join(orders, orders.c.id == _here.c.order_row)
        .outerjoin(
            captures,
            and_(captures.c.order_row == _here.c.order_row, captures.c.capture_id == _here.c.capture_id),
        )
        .where(has_fit)
        .cte("queued")
    )
    by_turn = select(queued.c.priority, queued.c.published_at).order_by(
        queued.c.priority.desc(), queued.c.published_at
    )
    foremost = by_turn.limit(1).cte("foremost")
    equals = and_(
        queued.c.priority == foremost.c.priority,
        queued.c.published_at.is_not_distinct_from(foremost.c.published_at),
    )
    of_capture = and_(
        IS_WANTED,
        deliveries.c.order_row == queued.c.order_row,
        deliveries.c.capture_id == queued.c.capture_id,
    )
    # An outer join, so that SQLite reads the captures first.
    return select(deliveries.c.id).join_from(foremost, queued, equals).outerjoin(deliveries, of_capture)


def _retried(is_fit: ColumnElement[bool], limit: int | None) -> list[Select[Any]]:
    """Select what is due again, the longest due first; and what a wrong clock has put off."""
    times = deliveries.c.not_before <= bindparam("now"), deliveries.c.not_before > bindparam("beyond")
    found = []
    for state in _RETRIED:
        for is_due in times:
            due = select(deliveries.c.id).where(deliveries.c.state == state, is_due, is_fit)
            part = due.order_by(deliveries.c.not_before).limit(limit).subquery()
            found.append(select(part.c.id))
    return found


def _is_from(ways: Collection[HostKey]) -> ColumnElement[bool]:
    """Whether the delivery's last link led to one of these hosts."""
    host = func.coalesce(deliveries.c.host, "")
    each = [and_(deliveries.c.account == way.account, host == way.host) for way in ways]
    return or_(*each) if each else false()


def _fits(roots: Collection[tuple[str | None, bool]]) -> ColumnElement[bool]:
    """Whether the delivery is not parked, has room, or lies below a root that is not configured any more."""
    lacking = func.coalesce(deliveries.c.total - deliveries.c.durable, 1)
    full = [
        and_(
            deliveries.c.root.is_not_distinct_from(root),
            true() if is_full else lacking > bindparam(f"room_{number}"),
        )
        for number, (root, is_full) in enumerate(roots)
    ]
    return or_(deliveries.c.state != DeliveryState.PARKED, ~or_(*full)) if full else true()
