"""What we did ourselves at the provider, as a move in the history of its order."""

from dataclasses import dataclass, replace
from datetime import datetime

from orderwatch.core.model import Order, Subject, Transition, TransitionKind
from orderwatch.core.orders.observe import Rules, Verdict, observe
from orderwatch.core.orders.snapshot import Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Who did it, from which file with which sha256, and what for."""

    who: str
    source: str | None = None
    digest: str | None = None
    note: str | None = None

    @property
    def words(self) -> str:
        said = f"by {self.who}"
        if self.source:
            said += f" from {self.source}"
        if self.digest:
            said += f" (sha256 {self.digest})"
        return f"{said}, note: {self.note}" if self.note else said


def provenance_of(order: Order | None, look: Observation, now: datetime, rules: Rules, words: str) -> Verdict:
    """Take in what the provider answered to our act: the order's move says what was done.

    Where the order did not move by it there is a move all the same, from the word to itself.
    """
    verdict = observe(order, look, now, rules)
    moves = list(verdict.transitions)
    place = next((i for i, move in enumerate(moves) if move.subject is Subject.ORDER), None)
    if place is None:
        moves.append(_stayed(verdict.order, now, words))
    else:
        detail = "; ".join(filter(None, (words, moves[place].detail)))
        moves[place] = replace(moves[place], detail=detail)
    return replace(verdict, transitions=tuple(moves))


def _stayed(order: Order, now: datetime, words: str) -> Transition:
    return Transition(
        at=now,
        account=order.account,
        task_id=order.task_id,
        subject=Subject.ORDER,
        before=order.status.word,
        after=order.status.word,
        kind=TransitionKind.STEP,
        detail=words,
    )
