"""Provenance of orderwatch's own actions, recorded in the history of the order."""

from dataclasses import dataclass, replace
from datetime import datetime

from orderwatch.core.model import Order, Subject, Transition, TransitionKind
from orderwatch.core.orders.observe import Rules, Verdict, observe
from orderwatch.core.orders.snapshot import Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Who acted, from which file with which SHA-256, and the note."""

    who: str
    source: str | None = None
    digest: str | None = None
    note: str | None = None

    @property
    def words(self) -> str:
        words = f"by {self.who}"
        if self.source:
            words += f" from {self.source}"
        if self.digest:
            words += f" (sha256 {self.digest})"
        return f"{words}, note: {self.note}" if self.note else words


def provenance_of(
    order: Order | None, observation: Observation, now: datetime, rules: Rules, words: str
) -> Verdict:
    """Applies the provider's answer to an action, and adds the action to the order's status change.

    If the status did not change, a change from it to itself is recorded.
    """
    verdict = observe(order, observation, now, rules)
    moves = list(verdict.transitions)
    place = next((i for i, move in enumerate(moves) if move.subject is Subject.ORDER), None)
    if place is None:
        moves.append(_unchanged(verdict.order, now, words))
    else:
        detail = "; ".join(filter(None, (words, moves[place].detail)))
        moves[place] = replace(moves[place], detail=detail)
    return replace(verdict, transitions=tuple(moves))


def _unchanged(order: Order, now: datetime, words: str) -> Transition:
    return Transition(
        at=now,
        account=order.account,
        order_id=order.order_id,
        task_id=order.task_id,
        subject=Subject.ORDER,
        before=order.status.word,
        after=order.status.word,
        kind=TransitionKind.STEP,
        detail=words,
    )
