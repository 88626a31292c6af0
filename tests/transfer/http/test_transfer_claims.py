"""Several connections and one file: each byte is fetched by one of them, and none is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.deliveries.byte_ranges import Ranges
from orderwatch.transfer.http.segments import Segment, SegmentAllocator

SIZE, CHUNK = 100, 10
spans = st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)), max_size=5)


@given(spans, st.data())
def test_every_missing_byte_is_fetched_once_whoever_fails_on_the_way(
    there: list[tuple[int, int]], data: st.DataObject
) -> None:
    held = Ranges.of(there)
    claims, live = SegmentAllocator(held, SIZE), list[Segment]()
    came: list[int] = []

    def take(claim: Segment, count: int) -> None:
        assert claim.stop is not None
        for _ in range(min(count, claim.stop - claim.at)):
            came.append(claim.at)
            claim.at += 1

    for _ in range(200):
        match data.draw(st.sampled_from(["first", "last", "come", "end"])):
            case "first" if (claim := claims.take_first()) is not None:
                live.append(claim)
            case "last" if (claim := claims.take_last(CHUNK, data.draw(st.integers(1, 15)))) is not None:
                live.append(claim)
            case "come" if live:
                take(data.draw(st.sampled_from(live)), 7)
            case "end" if live:
                claim = live.pop(data.draw(st.integers(0, len(live) - 1)))
                claims.release(claim)
            case _:
                break
    for claim in live:
        take(claim, SIZE)
        claims.release(claim)
    while (claim := claims.take_first()) is not None:
        take(claim, SIZE)
        claims.release(claim)
    assert sorted(came) == sorted(set(range(SIZE)) - {at for a, b in held.spans for at in range(a, b)})


def test_a_helper_takes_from_the_end_of_what_another_has_before_it() -> None:
    claims = SegmentAllocator(Ranges.of([(0, 30)]), SIZE)
    first = claims.take_first()
    helper = claims.take_last(CHUNK, CHUNK)
    assert first is not None
    assert helper is not None
    assert (first.at, first.stop, helper.at, helper.stop) == (30, 90, 90, 100)


def test_what_is_nearly_done_is_not_divided() -> None:
    claims = SegmentAllocator(Ranges.of([(0, SIZE - 2 * CHUNK + 1)]), SIZE)
    assert claims.take_first() is not None
    assert claims.take_last(CHUNK, CHUNK) is None


def test_what_a_slow_connection_has_left_in_the_end_is_halved_again_and_again() -> None:
    claims = SegmentAllocator(Ranges.of([(0, SIZE - CHUNK)]), SIZE)
    assert claims.take_first() is not None
    spans = [
        (claim.start, claim.stop)
        for claim in (claims.take_last(CHUNK, 2) for _ in range(4))
        if claim is not None
    ]
    assert spans == [(95, 100), (93, 95), (98, 100)]


def test_a_file_of_unknown_length_is_one_claim() -> None:
    claims = SegmentAllocator(Ranges.of([(0, 30)]), None)
    first = claims.take_first()
    assert first is not None
    assert (first.at, first.stop, first.left) == (30, None, None)
    assert claims.take_last(CHUNK, CHUNK) is None
    claims.release(first)
    assert claims.take_first() is None
