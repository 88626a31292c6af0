"""The evidence of what may need a person: problems, intents, stuck deliveries, orders without files."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, exists, func, or_, select

from orderwatch.core.attention.concern import Evidence, OrderFacts, Raised, StuckDelivery, UnknownWord
from orderwatch.core.model import (
    UNFINISHED,
    CapturePhase,
    DeliveryState,
    OrderPhase,
    OrderState,
    Subject,
    TransitionKind,
)
from orderwatch.core.notifications.problems import Problem
from orderwatch.core.order_names import OrderNames
from orderwatch.db.intents import UNSETTLED, intent_of
from orderwatch.db.mappers import delivery_of
from orderwatch.db.outbox import OPEN_PROBLEMS
from orderwatch.db.tables import captures, deliveries, orders, transitions

_STUCK = (DeliveryState.PARKED, DeliveryState.GIVEN_UP)
_NAMES = (orders.c.account, orders.c.order_id, orders.c.task_id, orders.c.project_name, orders.c.task_name)
_FACTS = tuple(orders.c[name] for name in OrderFacts.__dataclass_fields__ if name in orders.c)

_OF_SCENE = and_(
    transitions.c.account == deliveries.c.account,
    transitions.c.order_id == deliveries.c.order_id,
    transitions.c.capture_id == deliveries.c.capture_id,
    transitions.c.scene_id == deliveries.c.scene_id,
)
_SINCE = (  # when the delivery was last parked or given up
    select(func.max(transitions.c.at))
    .where(_OF_SCENE, transitions.c.after == deliveries.c.state)
    .scalar_subquery()
)
_DELIVERIES = (
    select(deliveries, *(name.label(f"order_{name.name}") for name in _NAMES), _SINCE.label("since"))
    .join_from(deliveries, orders)
    .where(deliveries.c.state.in_([*_STUCK, DeliveryState.FETCHING]))
)

_HAS_FILE = exists().where(deliveries.c.order_row == orders.c.id, deliveries.c.stored_at.is_not(None))
_COMES = exists().where(deliveries.c.order_row == orders.c.id, deliveries.c.state.in_(UNFINISHED))
_PENDING = exists().where(
    captures.c.order_row == orders.c.id,
    or_(captures.c.phase.is_(None), captures.c.phase.not_in([p for p in CapturePhase if p.final])),
)
_LOST_AT = (
    select(func.max(transitions.c.at))
    .where(
        transitions.c.account == orders.c.account,
        transitions.c.order_id == orders.c.order_id,
        transitions.c.subject == Subject.ORDER,
        transitions.c.after == OrderState.LOST,
    )
    .scalar_subquery()
)
# Of the newest version, so that a scene published again is not late at once.
_WANTED_AT = (
    select(func.max(transitions.c.at))
    .where(_OF_SCENE, transitions.c.before.is_(None))
    .correlate(deliveries)
    .scalar_subquery()
)
_FAILS = and_(  # and is retried
    deliveries.c.order_row == orders.c.id,
    deliveries.c.state.in_([state for state in UNFINISHED if state not in _STUCK]),
    deliveries.c.attempts > 0,
)
_WITHOUT_FILES = and_(
    captures.c.order_row == orders.c.id,
    captures.c.phase == CapturePhase.PUBLISHED,
    or_(
        captures.c.lacking,
        ~exists().where(
            deliveries.c.order_row == captures.c.order_row, deliveries.c.capture_id == captures.c.capture_id
        ),
    ),
)
_FAILING_SINCE = select(func.min(_WANTED_AT)).where(_FAILS).correlate(orders).scalar_subquery()
_LACKING_SINCE = (
    select(func.min(captures.c.published_at)).where(_WITHOUT_FILES).correlate(orders).scalar_subquery()
)
_IS_OWED = and_(
    orders.c.state.in_([OrderState.OPEN, OrderState.SETTLING]),
    or_(exists().where(_FAILS), exists().where(_WITHOUT_FILES)),
)

_OF_ORDER = and_(orders.c.account == transitions.c.account, orders.c.order_id == transitions.c.order_id)
_FIRST_USES = (  # of statuses that were unknown when received, and are still in use
    select(func.min(transitions.c.id))
    .join_from(transitions, orders, _OF_ORDER)
    .outerjoin(
        captures,
        and_(captures.c.order_row == orders.c.id, captures.c.capture_id == transitions.c.capture_id),
    )
    .where(
        transitions.c.kind == TransitionKind.UNKNOWN,
        or_(
            and_(transitions.c.subject == Subject.ORDER, orders.c.word == transitions.c.after),
            and_(transitions.c.subject == Subject.CAPTURE, captures.c.word == transitions.c.after),
        ),
    )
    .group_by(transitions.c.account, transitions.c.subject, transitions.c.after)
)
_WORDS = (
    select(*_NAMES, transitions.c.subject, transitions.c.after, transitions.c.capture_id, transitions.c.at)
    .join_from(transitions, orders, _OF_ORDER)
    .where(transitions.c.id.in_(_FIRST_USES))
    .order_by(transitions.c.id)
)
_COMPUTED = ("lost_at", "failing_since", "lacking_since", "has_file", "is_coming", "is_pending")


def evidence(db: Connection, now: datetime, raised: Mapping[str, Raised]) -> Evidence:
    """Return everything that may need a person, as of the connection's snapshot."""
    return Evidence(
        problems=[Problem(**row) for row in db.execute(OPEN_PROBLEMS).mappings()],
        intents=[intent_of(row) for row in db.execute(UNSETTLED).mappings()],
        deliveries=[_stuck_of(row) for row in db.execute(_DELIVERIES).mappings()],
        orders=_orders(db, now),
        words=[
            UnknownWord(
                subject=Subject(subject), word=word, names=OrderNames(*names), capture_id=capture_id, since=at
            )
            for *names, subject, word, capture_id, at in db.execute(_WORDS)
        ],
        raised=raised,
    )


def _orders(db: Connection, now: datetime) -> Sequence[OrderFacts]:
    """Return the facts of orders that are lost, or over without a file, or lack files that are published."""
    over = or_(orders.c.final_at.is_not(None), orders.c.end <= now)
    query = select(
        *_FACTS,
        _COMES.label("is_coming"),
        _PENDING.label("is_pending"),
        _HAS_FILE.label("has_file"),
        _LOST_AT.label("lost_at"),
        _FAILING_SINCE.label("failing_since"),
        _LACKING_SINCE.label("lacking_since"),
    )
    query = query.where(or_(orders.c.state == OrderState.LOST, and_(over, ~_HAS_FILE), _IS_OWED))
    return [_facts_of(row) for row in db.execute(query).mappings()]


def _facts_of(row: RowMapping) -> OrderFacts:
    phase = row["phase"]
    named = {column.name: row[column.name] for column in _FACTS}
    named |= {"phase": OrderPhase(phase) if phase else None, "state": OrderState(row["state"])}
    return OrderFacts(**named, **{name: row[name] for name in _COMPUTED})


def _stuck_of(row: RowMapping) -> StuckDelivery:
    names = OrderNames(*(row[f"order_{name.name}"] for name in _NAMES))
    return StuckDelivery(delivery=delivery_of(row), names=names, since=row["since"])
