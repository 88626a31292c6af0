"""What we did at the provider, as a move in the history of its order."""

import pytest
from tests.core.samples import HOUR, NOON, RULES, after, look

from orderwatch.core.model import Subject, TransitionKind
from orderwatch.core.ordering.provenance import Provenance, provenance_of


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Provenance(who="ada@desk"), "by ada@desk"),
        (Provenance(who="ada@desk", note="for the port"), "by ada@desk, note: for the port"),
        (
            Provenance(who="ada@desk", source="quay.toml", digest="d1", note="n"),
            "by ada@desk from quay.toml (sha256 d1), note: n",
        ),
    ],
)
def test_an_act_tells_who_from_what_and_what_for(act: Provenance, words: str) -> None:
    assert act.words == words


def test_an_order_that_was_unknown_begins_with_what_was_done() -> None:
    verdict = provenance_of(None, look("received"), NOON, RULES, "placed by ada")
    [move] = verdict.transitions
    assert (move.before, move.after, move.kind, move.detail) == (
        None,
        "received",
        TransitionKind.FIRST,
        "placed by ada",
    )


def test_the_move_that_the_act_made_says_so() -> None:
    known = after(look("in_progress")).order
    verdict = provenance_of(known, look("canceled"), NOON + HOUR, RULES, "cancelled by ada")
    [move] = verdict.transitions
    assert (move.before, move.after, move.detail) == ("in_progress", "canceled", "cancelled by ada")


def test_an_odd_move_stays_odd() -> None:
    known = after(look("completed")).order
    verdict = provenance_of(known, look("in_progress"), NOON + HOUR, RULES, "not cancelled by ada")
    [move] = [move for move in verdict.transitions if move.subject is Subject.ORDER]
    assert move.kind is TransitionKind.ODD
    assert move.detail == "not cancelled by ada"


def test_an_act_that_moved_nothing_is_a_move_all_the_same() -> None:
    known = after(look("in_progress")).order
    verdict = provenance_of(known, look("in_progress"), NOON + HOUR, RULES, "about to be cancelled by ada")
    [move] = verdict.transitions
    assert (move.at, move.task_id, move.subject) == (NOON + HOUR, known.task_id, Subject.ORDER)
    assert (move.before, move.after, move.kind) == ("in_progress", "in_progress", TransitionKind.STEP)
    assert move.detail == "about to be cancelled by ada"
    assert provenance_of(known, look("in_progress"), NOON + HOUR, RULES, "x").order == verdict.order
