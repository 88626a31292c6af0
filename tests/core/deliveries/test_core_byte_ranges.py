"""Spans of a file, against a plain set of its bytes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.deliveries.byte_ranges import Ranges, Span

SIZE = 40
edges = st.integers(0, SIZE)
spans = st.lists(st.tuples(edges, edges), max_size=8)


def _bytes(found: tuple[Span, ...]) -> set[int]:
    return {at for start, stop in found for at in range(start, stop)}


@given(spans, spans)
def test_it_holds_what_was_put_in_however_it_came(some: list[Span], more: list[Span]) -> None:
    held = Ranges.of(some)
    for start, stop in more:
        held = held.joined(start, stop)
    there = _bytes((*some, *more))
    assert _bytes(held.spans) == there
    assert held.total == len(there)
    assert held.end == max(there, default=-1) + 1
    assert held.prefix == next(at for at in range(SIZE + 1) if at not in there)


@given(spans)
def test_its_spans_are_in_order_and_never_touch(some: list[Span]) -> None:
    found = [edge for span in Ranges.of(some).spans for edge in span]
    assert all(before < after for before, after in pairwise(found))


@given(spans, edges)
def test_the_gaps_are_the_rest(some: list[Span], size: int) -> None:
    held = Ranges.of(some)
    assert _bytes(held.gaps(size)) == set(range(size)) - _bytes(held.spans)
    assert _bytes(held.below(size).spans) == set(range(size)) & _bytes(held.spans)
