"""Standing orders: which of those that are declared are still to be placed, and what stands against it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from orderwatch.core.ordering.intent import Budget, Intent, IntentState, describe_outcome, how_to_resume
from orderwatch.core.ordering.matching import equivalent
from orderwatch.core.ordering.order_file import Draft
from orderwatch.core.ordering.request import (
    Product,
    Request,
    fingerprint,
    plain_name,
    product_problems,
    window_problems,
)

_DAY = timedelta(days=1)
_REFUSED_FOR = timedelta(hours=6)  # what was refused is tried again then: perhaps somebody mended the cause


def name_of(request: Request) -> str:
    """What tells a standing order from the others."""
    return f"{request.project_name} / {request.task_name}"


class Step(NamedTuple):
    """A declared order that is not placed; with a `hindrance` it is not to be, for now."""

    draft: Draft
    hindrance: str | None


def marked(account: str, declared: Iterable[Draft]) -> Mapping[str, Draft]:
    """What is declared of an account, by its fingerprints: they cost, and do not change."""
    return {fingerprint(account, draft.request): draft for draft in declared}


def steps(declared: Mapping[str, Draft], intents: Sequence[Intent], now: datetime) -> Iterator[Step]:
    """What is left to do of an account's declarations, by all that was ever meant with it."""
    for mark, draft in declared.items():
        meant = [i for i in reversed(intents) if i.fingerprint == mark]
        same = next((i for i in meant if i.state.ordered), meant[0] if meant else None)
        if same is None or same.state is IntentState.UNSENT or _is_long_refused(same, now):
            yield Step(draft, _other(draft.request, intents) or _late(draft.request, now))
        elif same.state is not IntentState.PLACED:
            yield Step(draft, describe_outcome(same, how_to_resume(same)))


def unfit(request: Request, products: Sequence[Product]) -> str | None:
    """What the provider's products say against it."""
    return "; ".join(product_problems(request, products)) or None


def is_spent(budget: Budget, intents: Iterable[Intent], now: datetime) -> bool:
    """Whether one standing order more would be too much; what may have been taken counts."""
    sent = [i.sent_at for i in intents if i.standing_order and i.state.ordered and i.sent_at]
    return len(sent) >= budget.max_total or sum(at > now - _DAY for at in sent) >= budget.max_per_day


def _is_long_refused(intent: Intent, now: datetime) -> bool:
    return intent.state is IntentState.REFUSED and not timedelta(0) <= now - intent.written_at < _REFUSED_FOR


def _other(request: Request, intents: Iterable[Intent]) -> str | None:
    """Under its name something else was ordered, or the same but for what the list does not show."""
    for intent in intents:
        if intent.state.ordered and (
            equivalent(request, intent.request)
            or (intent.standing_order and _have_one_name(request, intent.request))
        ):
            known = f"as order {intent.task_id}" if intent.task_id else "and is not settled yet"
            return f"declared otherwise than it was placed, {known}: restore it, or give it another task_name"
    return None


def _have_one_name(one: Request, other: Request) -> bool:
    return plain_name(name_of(one)) == plain_name(name_of(other))


def _late(request: Request, now: datetime) -> str | None:
    return "; ".join(window_problems(request, now)) or None
