"""Checks rings of polygons. Positions are longitude and latitude in degrees."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

Position = Sequence[float]
Ring = Sequence[Position]

_MIN_RING_POSITIONS = 4  # the last is the first again
_MAX_WIDTH_DEGREES = 180.0
_MIN_AREA_SQUARE_DEGREES = 1e-12  # about a hundred square centimetres
_MAX_SIDE_PAIRS = 1_000_000  # take a second at most; a larger ring counts as simple


class _Side(NamedTuple):
    west: float
    east: float
    south: float
    north: float
    number: int
    start: Position
    end: Position


def ring_problem(ring: Ring, *, hole: bool) -> str | None:
    """Returns why this is not a valid outer ring, or hole, of a polygon; None if it is."""
    return _form_problem(ring) or _geometry_problem(ring, hole=hole)


def _form_problem(ring: Ring) -> str | None:
    if len(ring) < _MIN_RING_POSITIONS:
        return "has fewer than four positions; give at least three corners, and repeat the first one"
    if ring[0] != ring[-1]:
        return "is not closed; repeat its first position at the end"
    for number, (one, two) in enumerate(pairwise(ring), start=2):
        if one[:2] == two[:2]:
            return f"position {number} repeats the one before; leave it out"
    return None


def _geometry_problem(ring: Ring, *, hole: bool) -> str | None:
    longitudes = [position[0] for position in ring]
    if max(longitudes) - min(longitudes) > _MAX_WIDTH_DEGREES:
        return "is wider than 180 degrees: it crosses the antimeridian; split it there into two orders"
    if is_flat(ring):
        return "has no area; all its positions are on one line"
    if (sides := crossing_sides(ring)) is not None:
        return f"crosses or touches itself, in its sides {sides[0]} and {sides[1]}; correct them"
    if is_clockwise(ring) != hole:
        wrong, right = ("counter-clockwise", "clockwise") if hole else ("clockwise", "counter-clockwise")
        return f"runs {wrong}, which means everything outside it; reverse it to run {right}"
    return None


def is_flat(ring: Ring) -> bool:
    """Returns whether all positions are on one line."""
    first = ring[0]
    farthest = max(ring, key=lambda p: max(abs(p[0] - first[0]), abs(p[1] - first[1])))
    return all(abs(_turn(first, farthest, position)) <= _MIN_AREA_SQUARE_DEGREES for position in ring)


def is_clockwise(ring: Ring) -> bool:
    return sum(_turn(ring[0], one, two) for one, two in pairwise(ring)) < 0


def crossing_sides(ring: Ring) -> tuple[int, int] | None:
    """Returns the numbers of two sides that meet outside a shared corner."""
    sides = [_side(n, one, two) for n, (one, two) in enumerate(pairwise(ring), 1)]
    for one, two in _near_pairs(sides):
        if _meet(one, two, len(sides)):
            return min(one.number, two.number), max(one.number, two.number)
    return None


def do_cross(rings: Iterable[Ring]) -> bool:
    """Returns whether a side of one ring crosses a side of another; rings may touch."""
    numbered = list(enumerate(rings))
    if len(numbered) == 1:
        return False
    sides = [_side(n, one, two) for n, ring in numbered for one, two in pairwise(ring)]
    return any(one.number != two.number and _cross(one, two) for one, two in _near_pairs(sides))


def encloses(outer: Ring, inner: Ring) -> bool:
    """Returns whether a ring that crosses no other is inside the outer one; they may touch."""
    sides = list(pairwise(outer))
    for position in inner:
        if not any(_is_on(one, two, position) for one, two in sides):
            return sum(_is_east_of(one, two, position) for one, two in sides) % 2 == 1
    return False


def _is_east_of(one: Position, two: Position, position: Position) -> bool:
    """Returns whether the way east from the position meets this side."""
    east, north = position[0], position[1]
    if (one[1] > north) == (two[1] > north):
        return False
    return east < one[0] + (north - one[1]) / (two[1] - one[1]) * (two[0] - one[0])


def _is_on(one: Position, two: Position, position: Position) -> bool:
    (west, east), (south, north) = sorted((one[0], two[0])), sorted((one[1], two[1]))
    in_box = west <= position[0] <= east and south <= position[1] <= north
    return in_box and _turn(one, two, position) == 0


def _near_pairs(sides: Iterable[_Side]) -> Iterator[tuple[_Side, _Side]]:
    """Yields the pairs of sides with overlapping boxes."""
    from_west = sorted(sides)
    pairs = 0
    for index, one in enumerate(from_west):
        for other in range(index + 1, len(from_west)):
            two = from_west[other]
            pairs += 1
            if two.west > one.east or pairs > _MAX_SIDE_PAIRS:
                break
            if two.south <= one.north and two.north >= one.south:
                yield one, two


def _side(number: int, one: Position, two: Position) -> _Side:
    west, east = sorted((one[0], two[0]))
    south, north = sorted((one[1], two[1]))
    return _Side(west, east, south, north, number, one, two)


def _meet(one: _Side, two: _Side, count: int) -> bool:
    """Returns whether two sides with overlapping boxes share a point other than their corner."""
    if one.number % count + 1 == two.number:
        return _goes_back(one.start, one.end, two.end)
    if two.number % count + 1 == one.number:
        return _goes_back(two.start, two.end, one.end)
    return (
        _turn(one.start, one.end, two.start) * _turn(one.start, one.end, two.end) <= 0
        and _turn(two.start, two.end, one.start) * _turn(two.start, two.end, one.end) <= 0
    )


def _cross(one: _Side, two: _Side) -> bool:
    return (
        _turn(one.start, one.end, two.start) * _turn(one.start, one.end, two.end) < 0
        and _turn(two.start, two.end, one.start) * _turn(two.start, two.end, one.end) < 0
    )


def _goes_back(before: Position, corner: Position, after: Position) -> bool:
    east = (before[0] - corner[0]) * (after[0] - corner[0])
    north = (before[1] - corner[1]) * (after[1] - corner[1])
    return east + north > 0 and _turn(before, corner, after) == 0


def _turn(one: Position, two: Position, three: Position) -> float:
    """Returns a positive number for a left turn over these positions, 0 for a straight line."""
    return (two[0] - one[0]) * (three[1] - one[1]) - (two[1] - one[1]) * (three[0] - one[0])
