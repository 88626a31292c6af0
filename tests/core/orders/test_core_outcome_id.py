"""The same capture is written in several ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.orders.outcome_id import is_same_outcome, spellings

ID = "7a1c40de-93b5-4f0e-8a66-2d9f1b3c5e70"


@pytest.mark.parametrize(
    ("capture_id", "tried"),
    [
        (ID, (ID,)),
        (f"cap.{ID}", (ID, f"cap.{ID}")),
        (f"{ID}--112813", (f"{ID}--112813", ID)),
        (f"cap.{ID}--112813", (f"{ID}--112813", f"cap.{ID}--112813", ID)),
        ("383", ("383",)),
        ("cap.", ("cap.",)),
    ],
)
def test_the_likeliest_spelling_is_tried_first(capture_id: str, tried: tuple[str, ...]) -> None:
    assert tuple(spellings(capture_id)) == tried


@pytest.mark.parametrize(
    ("capture_id", "outcome_id", "same"),
    [
        (ID, ID, True),
        (f"cap.{ID}", ID, True),
        (ID, f"{ID}--112813", True),
        (f"{ID}--112813", ID, True),
        (f"{ID}--112813", f"{ID}--112814", False),
        (ID, ID.upper(), True),
        (ID, ID.replace("7a", "7b"), False),
        (ID, "", False),
        (ID, f"{ID}--x", False),
    ],
)
def test_ids_of_one_capture_are_the_same(capture_id: str, outcome_id: str, *, same: bool) -> None:
    assert is_same_outcome(capture_id, outcome_id) is same
    assert is_same_outcome(outcome_id, capture_id) is same


@given(st.text(min_size=1))
def test_each_spelling_names_the_same_capture(capture_id: str) -> None:
    assert all(is_same_outcome(capture_id, spelling) for spelling in spellings(capture_id))
