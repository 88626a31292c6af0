"""Decides which standing orders still have to be placed, and what prevents it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from orderwatch.core.ordering.intent import Budget, Intent, IntentState, describe_outcome, how_to_resume
from orderwatch.core.ordering.matching import equivalent
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.ordering.request import (
    KnownOrderNames,
    Request,
    fingerprint,
    offer_problems,
    plain_name,
    window_problems,
)

_DAY = timedelta(days=1)
_RETRY_REFUSED_AFTER = timedelta(hours=6)  # an operator may have corrected the cause


def name_of(request: Request) -> str:
    """Returns the name that identifies a standing order."""
    return f"{request.project_name} / {request.task_name}"


class Step(NamedTuple):
    """A declared order that is not placed, and what prevents it."""

    draft: Draft
    hindrance: str | None


def marked(account: str, declared: Iterable[Draft]) -> Mapping[str, Draft]:
    """Returns the declared orders by fingerprint, computed once since that is expensive."""
    return {fingerprint(account, draft.request): draft for draft in declared}


def steps(declared: Mapping[str, Draft], intents: Sequence[Intent], now: datetime) -> Iterator[Step]:
    """Yields the declared orders that are not placed, by all intents of the account."""
    for mark, draft in declared.items():
        meant = [i for i in reversed(intents) if i.fingerprint == mark]
        same = next((i for i in meant if i.state.ordered), meant[0] if meant else None)
        if same is None or same.state is IntentState.UNSENT or _is_long_refused(same, now):
            yield Step(draft, _other(draft.request, intents) or _late(draft.request, now))
        elif same.state is not IntentState.PLACED:
            yield Step(draft, describe_outcome(same, how_to_resume(same)))


def unfit(request: Request, known: KnownOrderNames) -> str | None:
    """Returns why the account cannot place the order, if so."""
    return "; ".join(offer_problems(request, known)) or None


def is_spent(budget: Budget, intents: Iterable[Intent], now: datetime) -> bool:
    """Returns whether the budget is used up; orders that may have been accepted count."""
    sent = [i.sent_at for i in intents if i.standing_order and i.state.ordered and i.sent_at]
    return len(sent) >= budget.max_total or sum(at > now - _DAY for at in sent) >= budget.max_per_day


def _is_long_refused(intent: Intent, now: datetime) -> bool:
    is_recent = timedelta(0) <= now - intent.written_at < _RETRY_REFUSED_AFTER
    return intent.state is IntentState.REFUSED and not is_recent


def _other(request: Request, intents: Iterable[Intent]) -> str | None:
    """Returns why another intent with its name or content prevents the order, if so."""
    for intent in intents:
        if intent.state.ordered and (
            equivalent(request, intent.request)
            or (intent.standing_order and _have_one_name(request, intent.request))
        ):
            known = f"as order {intent.order_id}" if intent.order_id else "and is not confirmed yet"
            return f"changed since it was placed, {known}: restore it, or give it another task_name"
    return None


def _have_one_name(one: Request, other: Request) -> bool:
    return plain_name(name_of(one)) == plain_name(name_of(other))


def _late(request: Request, now: datetime) -> str | None:
    return "; ".join(window_problems(request, now)) or None
