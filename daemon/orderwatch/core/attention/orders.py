"""Decides which orders need a person."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from orderwatch.core.attention import remedies
from orderwatch.core.attention.concern import Concern, OrderFacts, Reason, concern_key, sentence
from orderwatch.core.model import OrderPhase, OrderState
from orderwatch.core.order_names import OrderNames
from orderwatch.core.orders.ending import is_history

# From the end of the window to the publication of its last captures.
_PUBLICATION_DELAY = timedelta(days=1)
# From publication to storage, before a person is needed.
_DELIVERY_TIME = timedelta(days=7)

_FAILED_PHASES = frozenset({OrderPhase.FAILED, OrderPhase.REJECTED, OrderPhase.EXPIRED})


def of_order(order: OrderFacts, now: datetime) -> Iterator[Concern]:
    names = OrderNames(order.account, order.order_id, order.task_id, order.project_name, order.task_name)
    if order.state is OrderState.LOST:
        since = order.lost_at or order.last_seen_at or now
        text = f"{names} is lost: the provider answers 404"
        yield _concern(order, Reason.LOST, since, text, remedies.LOST)
    elif _has_failed(order, now):
        why = f": {order.reason}" if order.reason else ""
        text = f"{names} ended as {order.word} without any delivery{why}"
        yield _concern(order, Reason.ORDER_FAILED, order.final_at or now, text, remedies.ORDER_FAILED)
    elif order.end is not None and _is_overdue(order, order.end, now):
        text = f"{names} is overdue: its window is over, and nothing was delivered"
        yield _concern(order, Reason.OVERDUE, order.end, text, remedies.OVERDUE)
    elif late_since := _late_since(order, now):
        text = f"{names} is overdue: published files are not stored"
        yield _concern(order, Reason.OVERDUE, late_since, text, remedies.late(order.order_id))


def _has_failed(order: OrderFacts, now: datetime) -> bool:
    """Returns whether a final order brought no file without being cancelled."""
    if order.final_at is None or order.has_file or order.is_coming:
        return False
    if order.phase is OrderPhase.CANCELED or is_history(order):
        return False
    waits = order.is_pending or order.phase not in _FAILED_PHASES
    return not waits or now >= order.final_at + _PUBLICATION_DELAY


def _is_overdue(order: OrderFacts, end: datetime, now: datetime) -> bool:
    """Returns whether an order that is not final brought no file in its time."""
    if order.final_at is not None or order.has_file or order.is_coming:
        return False
    return now >= (end + _PUBLICATION_DELAY if order.is_pending else end)


def _late_since(order: OrderFacts, now: datetime) -> datetime | None:
    """Returns since when published files are not stored; None while that is not too long."""
    lacking_since = None if is_history(order) else order.lacking_since
    since = min((at for at in (order.failing_since, lacking_since) if at is not None), default=None)
    return since if since is not None and now >= since + _DELIVERY_TIME else None


def _concern(order: OrderFacts, reason: Reason, since: datetime, text: str, remedy: str) -> Concern:
    return Concern(
        key=concern_key(reason, order.account, order.order_id),
        reason=reason,
        since=since,
        text=sentence(text, ""),
        remedy=remedy,
        name=order.task_name,
        account=order.account,
        order_id=order.order_id,
        task_id=order.task_id,
        project_name=order.project_name,
    )
