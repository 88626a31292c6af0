"""Attention: the list of concerns that need a person, decided from recorded facts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from orderwatch.core.actions.pauses import NO_PAUSES, Pauses
from orderwatch.core.attention import remedies
from orderwatch.core.attention.concern import (
    Changes,
    Concern,
    Evidence,
    Raised,
    Reason,
    Scope,
    StuckDelivery,
    UnknownWord,
    concern_key,
    sentence,
)
from orderwatch.core.attention.orders import of_order
from orderwatch.core.model import DeliveryState, Subject
from orderwatch.core.notifications.problems import Problem, words
from orderwatch.core.ordering.intent import Intent, IntentState, describe_outcome, how_to_resume

# A command that places an order is faster; an older intent was left by a command that was killed.
_SENDING_TIME = timedelta(minutes=2)

_INTENT_PROBLEM = "intent.unclear"  # shown as `unconfirmed`
_RANKS = {reason: rank for rank, reason in enumerate(Reason)}


def concerns(evidence: Evidence, now: datetime, scope: Scope) -> Sequence[Concern]:
    """Returns all concerns, acknowledged ones too, sorted by reason and age."""
    found: dict[str, Concern] = {}
    for concern in _all(evidence, now, scope):
        before = evidence.raised.get(concern.key)
        if before is not None:
            since = min(concern.since, before.concern.since)
            concern = replace(concern, since=since, acknowledged_at=before.acknowledged_at)  # noqa: PLW2901 - as raised
        found.setdefault(concern.key, concern)
    return ranked(found.values())


def ranked(found: Iterable[Concern]) -> Sequence[Concern]:
    """Returns the concerns sorted by reason and age."""
    return sorted(found, key=lambda c: (_RANKS[c.reason], c.since, c.key))


def unacknowledged(found: Sequence[Concern]) -> Sequence[Concern]:
    """Returns the concerns that are displayed."""
    return [concern for concern in found if concern.acknowledged_at is None]


def by_order(found: Sequence[Concern]) -> Mapping[tuple[str | None, str], Sequence[Concern]]:
    """Returns the concerns about orders, by account and order."""
    orders: dict[tuple[str | None, str], list[Concern]] = {}
    for concern in found:
        if concern.order_id is not None:
            orders.setdefault((concern.account, concern.order_id), []).append(concern)
    return orders


def beyond_heartbeat(found: Sequence[Concern]) -> Sequence[Concern]:
    """Returns the concerns without the heartbeat's own failure, which ends only with its next request."""
    return [concern for concern in found if concern.name != "heartbeat.failing"]


def headline(found: Sequence[Concern], pauses: Pauses = NO_PAUSES) -> str:
    """Returns the headline for unacknowledged concerns and pauses."""
    if not found:
        return pauses.words or "all is well"
    numbers = Counter(concern.reason for concern in found)
    parts = ", ".join(_counted(reason, numbers[reason]) for reason in Reason if reason in numbers)
    line = f"{len(found)} {'thing needs' if len(found) == 1 else 'things need'} you: {parts}"
    return f"{line}; {pauses.words}" if pauses.all else line


def _counted(reason: Reason, number: int) -> str:
    plural = "s" if reason is Reason.PROBLEM and number > 1 else ""
    return f"{number} {reason.words}{plural}"


def changes(found: Sequence[Concern], raised: Mapping[str, Raised]) -> Changes:
    """Compares the current concerns with those that were raised before.

    An unknown status that was acknowledged stays acknowledged if the provider uses it again.
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
        yield from of_order(order, now) if scope.follows(order) else ()
    for intent in evidence.intents:
        yield from _of_intent(intent, now) if intent.account in scope.accounts else ()
    for unknown in evidence.words:
        if scope.has(unknown.names) and scope.is_new(unknown):
            yield _of_word(unknown, now)


def _of_problem(problem: Problem) -> Concern:
    reason = str(problem.facts.get("reason") or "").rstrip(".")
    account, channel = problem.facts.get("account"), problem.facts.get("channel")
    order_id, task_id = problem.facts.get("order_id"), problem.facts.get("task_id")
    return Concern(
        key=concern_key(Reason.PROBLEM, problem.key),
        reason=Reason.PROBLEM,
        since=problem.began_at,
        text=sentence(words(problem), reason),
        remedy=remedies.of_problem(problem.event),
        name=problem.event,
        account=account if isinstance(account, str) else None,
        order_id=order_id if isinstance(order_id, str) else None,
        task_id=task_id if isinstance(task_id, int) else None,
        channel=channel if isinstance(channel, str) else None,
    )


def _of_delivery(stuck: StuckDelivery, now: datetime, raised: Mapping[str, Raised]) -> Iterator[Concern]:
    """Yields the concern of a delivery; a retried one keeps its concern until the attempt ends."""
    d = stuck.delivery
    keys = {state: concern_key(state, *d.key) for state in (DeliveryState.PARKED, DeliveryState.GIVEN_UP)}
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
        text=sentence(text, (d.reason or "").rstrip(".")),
        remedy=remedies.parked(d.order_id) if is_parked else remedies.given_up(d.order_id),
        name=d.attachment,
        account=d.account,
        order_id=d.order_id,
        task_id=d.task_id,
        capture_id=d.capture_id,
        scene_id=d.scene_id,
        project_name=stuck.names.project_name,
    )


def _of_intent(intent: Intent, now: datetime) -> Iterator[Concern]:
    sent_at = intent.sent_at or intent.written_at
    if not intent.state.open or (intent.state is IntentState.SENDING and now < sent_at + _SENDING_TIME):
        return
    request = intent.request
    yield Concern(
        key=concern_key(Reason.UNCONFIRMED, intent.account, intent.fingerprint, intent.number),
        reason=Reason.UNCONFIRMED,
        since=intent.ended_at or sent_at,
        text=sentence(f"order {request.task_name} {describe_outcome(intent, how_to_resume(intent))}", ""),
        remedy=remedies.UNCONFIRMED,
        name=request.task_name,
        account=intent.account,
        order_id=intent.order_id,
        task_id=intent.task_id,
        project_name=request.project_name,
    )


def _of_word(unknown: UnknownWord, now: datetime) -> Concern:
    names = unknown.names
    what = f"a capture of {names}" if unknown.subject is Subject.CAPTURE else str(names)
    return Concern(
        key=concern_key(Reason.UNKNOWN_STATUS, names.account, unknown.subject, unknown.word),
        reason=Reason.UNKNOWN_STATUS,
        since=unknown.since or now,
        text=sentence(f"{what} has a status that orderwatch does not know: {unknown.word}", ""),
        remedy=remedies.UNKNOWN_STATUS,
        name=unknown.word,
        account=names.account,
        order_id=names.order_id,
        task_id=names.task_id,
        capture_id=unknown.capture_id,
        project_name=names.project_name,
    )
