"""Attention: the one list of what needs a person, decided from recorded facts."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from orderwatch.core.attention import remedies
from orderwatch.core.attention.concern import (
    Changes,
    Concern,
    Evidence,
    OrderFacts,
    Raised,
    Reason,
    Scope,
    StuckDelivery,
    UnknownWord,
)
from orderwatch.core.formatting import printable
from orderwatch.core.model import DeliveryState, OrderPhase, OrderState, Subject
from orderwatch.core.notifications.problems import Problem, words
from orderwatch.core.order_names import OrderNames
from orderwatch.core.ordering.intent import Intent, IntentState, describe_outcome, how_to_resume

# Captures that were taken before the window closed are published up to so much later.
_PUBLICATION_DELAY = timedelta(days=1)
# Files come within so much of being published, or somebody has to look.
_DELIVERY_TIME = timedelta(days=7)
# An order whose window had closed so long before it was first seen final is history, and needs nobody.
_HISTORY = timedelta(days=30)
# A command that places an order takes less; an intent that is older was left by one that was killed.
_SENDING_TIME = timedelta(minutes=2)

_FAILED_PHASES = frozenset({OrderPhase.FAILED, OrderPhase.REJECTED, OrderPhase.EXPIRED})
_INTENT_PROBLEM = "intent.unclear"  # the reason `unconfirmed` has it already
_RANKS = {reason: rank for rank, reason in enumerate(Reason)}


def concerns(evidence: Evidence, now: datetime, scope: Scope) -> Sequence[Concern]:
    """Return everything that needs a person, the acknowledged too, sorted by reason and age."""
    found: dict[str, Concern] = {}
    for concern in _all(evidence, now, scope):
        before = evidence.raised.get(concern.key)
        if before is not None:
            since = min(concern.since, before.concern.since)
            concern = replace(concern, since=since, acknowledged_at=before.acknowledged_at)  # noqa: PLW2901 - as raised
        found.setdefault(concern.key, concern)
    return sorted(found.values(), key=lambda c: (_RANKS[c.reason], c.since, c.key))


def unacknowledged(found: Sequence[Concern]) -> Sequence[Concern]:
    """Return the list that people see."""
    return [concern for concern in found if concern.acknowledged_at is None]


def by_order(found: Sequence[Concern]) -> Mapping[tuple[str | None, int], Sequence[Concern]]:
    """Return what needs a person by account and order; what is about no order is left out."""
    orders: dict[tuple[str | None, int], list[Concern]] = {}
    for concern in found:
        if concern.task_id is not None:
            orders.setdefault((concern.account, concern.task_id), []).append(concern)
    return orders


def beyond_heartbeat(found: Sequence[Concern]) -> Sequence[Concern]:
    """Return the list without the heartbeat's own failure, which ends only when its URL is asked again."""
    return [concern for concern in found if concern.name != "heartbeat.failing"]


def headline(found: Sequence[Concern]) -> str:
    """Return the first thing that a person reads, of what is not acknowledged."""
    if not found:
        return "all is well"
    numbers = Counter(concern.reason for concern in found)
    parts = ", ".join(_counted(reason, numbers[reason]) for reason in Reason if reason in numbers)
    return f"{len(found)} {'thing needs' if len(found) == 1 else 'things need'} you: {parts}"


def _counted(reason: Reason, number: int) -> str:
    plural = "s" if reason is Reason.PROBLEM and number > 1 else ""
    return f"{number} {reason.words}{plural}"


def changes(found: Sequence[Concern], raised: Mapping[str, Raised]) -> Changes:
    """Compare what needs a person now with what was raised before.

    An unknown word that was acknowledged stays acknowledged, whenever the provider uses it again.
    """
    keys = {concern.key for concern in found}
    over = [known for key, known in raised.items() if key not in keys]
    return Changes(
        raised=[concern for concern in found if concern.key not in raised],
        cleared=[known.concern for known in over if known.acknowledged_at is None],
        forgotten=[
            known.concern.key
            for known in over
            if known.acknowledged_at is not None and known.concern.reason is not Reason.UNKNOWN_STATUS
        ],
    )


def _all(evidence: Evidence, now: datetime, scope: Scope) -> Iterator[Concern]:
    yield from (_of_problem(problem) for problem in evidence.problems if problem.event != _INTENT_PROBLEM)
    for stuck in evidence.deliveries:
        yield from _of_delivery(stuck, now, evidence.raised) if scope.has(stuck.names) else ()
    for order in evidence.orders:
        yield from _of_order(order, now) if scope.follows(order) else ()
    for intent in evidence.intents:
        yield from _of_intent(intent, now) if intent.account in scope.accounts else ()
    for unknown in evidence.words:
        if scope.has(unknown.names) and scope.is_new(unknown):
            yield _of_word(unknown, now)


def _of_problem(problem: Problem) -> Concern:
    reason = str(problem.facts.get("reason") or "").rstrip(".")
    account, task_id = problem.facts.get("account"), problem.facts.get("task_id")
    channel = problem.facts.get("channel")
    return Concern(
        key=_key(Reason.PROBLEM, problem.key),
        reason=Reason.PROBLEM,
        since=problem.began_at,
        text=_sentence(words(problem), reason),
        remedy=remedies.of_problem(problem.event),
        name=problem.event,
        account=account if isinstance(account, str) else None,
        task_id=task_id if isinstance(task_id, int) else None,
        channel=channel if isinstance(channel, str) else None,
    )


def _of_delivery(stuck: StuckDelivery, now: datetime, raised: Mapping[str, Raised]) -> Iterator[Concern]:
    """A delivery that is being tried again stays in the list until that is decided."""
    d = stuck.delivery
    keys = {state: _key(state, *d.key) for state in (DeliveryState.PARKED, DeliveryState.GIVEN_UP)}
    if d.state is DeliveryState.FETCHING:
        yield from (raised[key].concern for key in keys.values() if key in raised)
        return
    reason = Reason(d.state)
    is_parked = reason is Reason.PARKED
    end = "is parked" if is_parked else "was given up"
    text = f"the {d.attachment} {d.file_name} of {stuck.names} {end}"
    yield Concern(
        key=keys[d.state],
        reason=reason,
        since=stuck.since or now,
        text=_sentence(text, (d.reason or "").rstrip(".")),
        remedy=remedies.parked(d.task_id) if is_parked else remedies.given_up(d.task_id),
        name=d.attachment,
        account=d.account,
        task_id=d.task_id,
        capture_id=d.capture_id,
        scene_id=d.scene_id,
        project_name=stuck.names.project_name,
    )


def _of_order(order: OrderFacts, now: datetime) -> Iterator[Concern]:
    names = OrderNames(order.account, order.task_id, order.project_name, order.task_name)
    if order.state is OrderState.LOST:
        since = order.lost_at or order.last_seen_at or now
        text = f"{names} is lost: the provider answers 404"
        yield _concern_of(order, Reason.LOST, since, text, remedies.LOST)
    elif _has_failed(order, now):
        text = f"{names} ended as {order.word}, and nothing of it was delivered"
        yield _concern_of(order, Reason.ORDER_FAILED, order.final_at or now, text, remedies.ORDER_FAILED)
    elif order.end is not None and _is_overdue(order, order.end, now):
        text = f"{names} is overdue: its window is over, and nothing of it was delivered"
        yield _concern_of(order, Reason.OVERDUE, order.end, text, remedies.OVERDUE)
    elif late_since := _late_since(order, now):
        text = f"{names} is overdue: files of it are published and not stored"
        yield _concern_of(order, Reason.OVERDUE, late_since, text, remedies.late(order.task_id))


def _has_failed(order: OrderFacts, now: datetime) -> bool:
    """Whether a final order brought nothing, against the wish of whoever ordered it."""
    if order.final_at is None or order.has_file or order.is_coming:
        return False
    if order.phase is OrderPhase.CANCELED or _is_history(order):
        return False
    waits = order.is_pending or order.phase not in _FAILED_PHASES
    return not waits or now >= order.final_at + _PUBLICATION_DELAY


def _is_overdue(order: OrderFacts, end: datetime, now: datetime) -> bool:
    """Whether an order that is not final brought nothing in its time."""
    if order.final_at is not None or order.has_file or order.is_coming:
        return False
    return now >= (end + _PUBLICATION_DELAY if order.is_pending else end)


def _late_since(order: OrderFacts, now: datetime) -> datetime | None:
    """Return since when files of the order are to be had; None while that is not too long."""
    lacking_since = None if _is_history(order) else order.lacking_since
    since = min((at for at in (order.failing_since, lacking_since) if at is not None), default=None)
    return since if since is not None and now >= since + _DELIVERY_TIME else None


def _is_history(order: OrderFacts) -> bool:
    """Whether the order's window had closed long before it was first seen final."""
    final_at, end = order.final_at, order.end
    return final_at is not None and end is not None and end < final_at - _HISTORY


def _of_intent(intent: Intent, now: datetime) -> Iterator[Concern]:
    sent_at = intent.sent_at or intent.written_at
    if not intent.state.open or (intent.state is IntentState.SENDING and now < sent_at + _SENDING_TIME):
        return
    request = intent.request
    yield Concern(
        key=_key(Reason.UNCONFIRMED, intent.account, intent.fingerprint, intent.number),
        reason=Reason.UNCONFIRMED,
        since=intent.ended_at or sent_at,
        text=_sentence(
            f"the order {request.task_name} {describe_outcome(intent, how_to_resume(intent))}", ""
        ),
        remedy=remedies.UNCONFIRMED,
        name=request.task_name,
        account=intent.account,
        task_id=intent.task_id,
        project_name=request.project_name,
    )


def _of_word(unknown: UnknownWord, now: datetime) -> Concern:
    names = unknown.names
    what = f"a capture of {names}" if unknown.subject is Subject.CAPTURE else str(names)
    return Concern(
        key=_key(Reason.UNKNOWN_STATUS, names.account, unknown.subject, unknown.word),
        reason=Reason.UNKNOWN_STATUS,
        since=unknown.since or now,
        text=_sentence(f"{what} has a status that orderwatch does not know: {unknown.word}", ""),
        remedy=remedies.UNKNOWN_STATUS,
        name=unknown.word,
        account=names.account,
        task_id=names.task_id,
        capture_id=unknown.capture_id,
        project_name=names.project_name,
    )


def _concern_of(order: OrderFacts, reason: Reason, since: datetime, text: str, remedy: str) -> Concern:
    return Concern(
        key=_key(reason, order.account, order.task_id),
        reason=reason,
        since=since,
        text=_sentence(text, ""),
        remedy=remedy,
        name=order.task_name,
        account=order.account,
        task_id=order.task_id,
        project_name=order.project_name,
    )


def _key(reason: str, *parts: object) -> str:
    """As JSON, so that no two concerns are mixed up, whatever their names are."""
    return json.dumps([str(reason), *parts], ensure_ascii=False)


def _sentence(text: str, why: str) -> str:
    line = " ".join(printable(f"{text}: {why}" if why else text).split())
    return f"{line[:1].upper()}{line[1:]}."
