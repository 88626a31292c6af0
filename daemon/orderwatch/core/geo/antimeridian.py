"""Cuts polygons at the antimeridian as RFC 7946 requires. Positions are longitude and latitude in degrees.

A ring is unrolled first: its longitudes become continuous and may exceed 180. A ring around a pole becomes
several turns that are closed along the pole, of which one is cut out.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from orderwatch.core.geo.meridian import Polygon, Position, Ring, side_of
from orderwatch.core.geo.polygon import crossing_sides, do_cross, encloses, is_clockwise, is_flat

_HALF_TURN, _FULL_TURN, _POLE = 180.0, 360.0, 90.0
_DECIMALS = 12  # removes the errors of adding turns; a tenth of a micrometre
_TOLERANCE_DEGREES = 1e-9  # a tenth of a millimetre
_MIN_RING_POSITIONS = 4  # the last is the first again
RINGS_CROSS = "two of its rings cross"


class _Unrolled(NamedTuple):
    ring: Ring
    surrounds_pole: bool = False


def wrapped(position: Position) -> Position:
    """Returns the position with a longitude within -180 and 180."""
    if abs(position[0]) <= _HALF_TURN:
        return position
    return _moved(position, _to_reach(-_HALF_TURN, position[0]))


def cut(polygon: Sequence[Ring]) -> list[Polygon]:
    """Returns the parts of a polygon, outer rings counter-clockwise; `ValueError` if it is invalid.

    A side between two positions takes the shorter way around the globe.
    """
    outer, *holes = [_unrolled(ring) for ring in polygon]
    if any(hole.surrounds_pole for hole in holes):
        raise ValueError("a hole surrounds a pole")
    inner = [hole.ring for hole in holes]
    parts = _one_turn(outer.ring, inner) if outer.surrounds_pole else _folded(outer.ring, inner)
    if len(parts) == 1:
        return parts
    wide = [part for part in parts if not is_flat(part[0])]  # a rounding error beyond 180 is no part
    return [[_checked(ring) for ring in part] for part in wide]


def _one_turn(outer: Ring, holes: Sequence[Ring]) -> list[Polygon]:
    """Returns the parts within -180 and 180 of a polygon of several turns; each turn has each hole."""
    wests = (-_HALF_TURN - _FULL_TURN, -_HALF_TURN, _HALF_TURN)
    copies = [_from(west, hole) for hole in holes for west in wests]
    polygon = _nested(outer, [copy for copy in copies if any(abs(lon) < _HALF_TURN for lon, _ in copy)])
    eastern = side_of(polygon, -_HALF_TURN, east=True)
    return [part for whole in eastern for part in side_of(whole, _HALF_TURN, east=False)]


def _folded(outer: Ring, holes: Sequence[Ring]) -> list[Polygon]:
    """Returns the parts of a polygon that surrounds no pole."""
    ring = _from(-_HALF_TURN, outer)
    west, east = min(lon for lon, _ in ring), max(lon for lon, _ in ring)
    if east - west > _FULL_TURN:
        raise ValueError("a ring is wider than the globe")
    polygon = _nested(ring, [_from(west, hole) for hole in holes])
    if east <= _HALF_TURN:
        return [polygon]
    beyond = side_of(polygon, _HALF_TURN, east=True)
    back = [[_shifted(ring, -_FULL_TURN) for ring in part] for part in beyond]
    return [*side_of(polygon, _HALF_TURN, east=False), *back]


def _unrolled(ring: Ring) -> _Unrolled:
    """Returns a valid ring with continuous longitudes and without repeated positions."""
    if len(ring) < _MIN_RING_POSITIONS:
        raise ValueError("a ring has fewer than four positions")
    if not _is_closed(ring):
        raise ValueError("a ring is not closed")
    corners = ring[:-1]
    reaches_pole = any(map(_is_pole, corners))
    chain = _continuous([*corners, corners[0]], keep_full_turns=reaches_pole)
    if chain[0] == chain[-1]:
        return _Unrolled(_checked(chain))
    pole = math.copysign(_POLE, sum(lat for _, lat in corners))
    if reaches_pole:
        chain = _continuous(_without_pole(corners), keep_full_turns=True)
        if abs(chain[-1][0] - chain[0][0]) < _FULL_TURN - _TOLERANCE_DEGREES:
            return _Unrolled(_checked(_closed_at(pole, chain)))
    return _Unrolled(_checked(_closed_at(pole, _turns(chain))), surrounds_pole=True)


def _is_closed(ring: Ring) -> bool:
    (west, low), (east, high) = ring[0], ring[-1]
    turns = (east - west) / _FULL_TURN
    return low == high and abs(turns - round(turns)) <= _TOLERANCE_DEGREES


def _is_pole(position: Position) -> bool:
    return abs(position[1]) == _POLE


def _continuous(positions: Sequence[Position], *, keep_full_turns: bool) -> Ring:
    """Returns the positions without jumps and repetitions.

    A side from -180 to 180 is no jump in a ring that runs along a pole, the way RFC 7946 writes polar areas.
    """
    chain, offset = [positions[0]], 0.0
    for before, here in pairwise(positions):
        step = here[0] - before[0]
        if not (keep_full_turns and abs(step) == _FULL_TURN):
            offset -= _FULL_TURN * round(step / _FULL_TURN)
        moved = _moved(here, offset)
        if moved != chain[-1]:
            chain.append(moved)
    return chain


def _without_pole(corners: Ring) -> Ring:
    """Returns the corners from one side of a pole to the other: the longitude of a pole has no meaning."""
    starts = [n for n, here in enumerate(corners) if not _is_pole(here) and _is_pole(corners[n - 1])]
    if len(starts) != 1:
        raise ValueError("a ring reaches a pole more than once")
    (start,) = starts
    return [here for here in [*corners[start:], *corners[:start]] if not _is_pole(here)]


def _turns(chain: Ring) -> Ring:
    """Returns four turns of a ring around the globe, from -540 or less to 540 or more."""
    (west, low), (east, high) = sorted((chain[0], chain[-1]))
    if abs(east - west - _FULL_TURN) > _TOLERANCE_DEGREES or low != high:
        raise ValueError("a ring winds around the globe more than once")
    turn = chain[:-1] if chain[0][0] < chain[-1][0] else chain[:0:-1]
    first = _to_reach(-_HALF_TURN, turn[0][0])
    turns = [_shifted(turn, first + number * _FULL_TURN) for number in (-2, -1, 0, 1)]
    return [*(here for part in turns for here in part), _moved(turn[0], first + 2 * _FULL_TURN)]


def _closed_at(pole: float, chain: Ring) -> Ring:
    return [*chain, [chain[-1][0], pole], [chain[0][0], pole], chain[0]]


def _checked(ring: Ring) -> Ring:
    if len(ring) < _MIN_RING_POSITIONS or is_flat(ring):
        raise ValueError("a ring has no area")
    if crossing_sides(ring) is not None:
        raise ValueError("a ring crosses or touches itself")
    return ring


def _nested(outer: Ring, holes: Sequence[Ring]) -> Polygon:
    """Returns the polygon of these rings, with the directions that RFC 7946 requires."""
    if do_cross([outer, *holes]):
        raise ValueError(RINGS_CROSS)
    if not all(encloses(outer, hole) for hole in holes):
        raise ValueError("a hole is outside its polygon")
    return [_wound(outer), *(_wound(hole, hole=True) for hole in holes)]


def _wound(ring: Ring, *, hole: bool = False) -> Ring:
    return ring if is_clockwise(ring) is hole else ring[::-1]


def _from(west: float, ring: Ring) -> Ring:
    """Returns the ring moved by full turns, so that its west end is less than one turn from this one."""
    return _shifted(ring, _to_reach(west, min(lon for lon, _ in ring)))


def _to_reach(west: float, lon: float) -> float:
    return -_FULL_TURN * math.floor((lon - west) / _FULL_TURN)


def _shifted(ring: Ring, degrees: float) -> Ring:
    return [_moved(position, degrees) for position in ring] if degrees else ring


def _moved(position: Position, degrees: float) -> Position:
    return [round(position[0] + degrees, _DECIMALS), position[1]] if degrees else position
