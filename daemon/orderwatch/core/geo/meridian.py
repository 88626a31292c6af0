"""Divides polygons at a meridian. Positions are longitude and latitude in degrees."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from orderwatch.core.geo.polygon import encloses

Position = list[float]
Ring = list[Position]  # closed: the last position is the first again
Polygon = list[Ring]  # the outer ring, then holes

_MIN_RING_POSITIONS = 4


def side_of(polygon: Polygon, meridian: float, *, east: bool) -> list[Polygon]:
    """Returns the parts of a valid polygon on one side of a meridian.

    The outer ring must run counter-clockwise and holes clockwise; then the interior's ends on the meridian
    are where a ring arrives on this side and where one leaves it, in turn.
    """
    crossing = [ring for ring in polygon if _crosses(ring, meridian)]
    uncut = [ring for ring in polygon if ring not in crossing and _is_on_side(ring, meridian, east=east)]
    if polygon[0] not in crossing:
        return [uncut] if uncut else []
    chains = [chain for ring in crossing for chain in _chains(ring, meridian, east=east)]
    return [[outer, *(hole for hole in uncut if encloses(outer, hole))] for outer in _joined(chains)]


def _crosses(ring: Ring, meridian: float) -> bool:
    """Returns whether the ring is on both sides, or has more than one position on the meridian itself."""
    longitudes = [lon for lon, _ in ring[1:]]
    if min(longitudes) < meridian < max(longitudes):
        return True
    return longitudes.count(meridian) > 1


def _is_on_side(ring: Ring, meridian: float, *, east: bool) -> bool:
    return all(lon >= meridian if east else lon <= meridian for lon, _ in ring)


def _chains(ring: Ring, meridian: float, *, east: bool) -> list[Ring]:
    """Returns the pieces of a ring on one side, each from the meridian to the meridian."""

    def is_here(position: Position) -> bool:
        return position[0] > meridian if east else position[0] < meridian

    corners = ring[1:]
    first = next((n for n, here in enumerate(corners) if is_here(here) and not is_here(corners[n - 1])), None)
    if first is None:
        return []
    chains: list[Ring] = []
    for before, here in pairwise([corners[first - 1], *corners[first:], *corners[:first]]):
        if is_here(before) != is_here(here):
            meeting = _meeting(before, here, meridian)
            if is_here(here):
                chains.append([meeting])
            else:
                chains[-1].append(meeting)
        if is_here(here):
            chains[-1].append(here)
    return chains


def _meeting(one: Position, two: Position, meridian: float) -> Position:
    """Returns where a side meets the meridian; the same in both directions."""
    (west, low), (east, high) = sorted((one, two))
    if east == meridian:
        return [meridian, high]
    return [meridian, low + (meridian - west) / (east - west) * (high - low)]


def _joined(chains: Sequence[Ring]) -> Iterator[Ring]:
    """Yields rings of chains: the n-th end on the meridian continues at the n-th start."""
    by_end = sorted(chains, key=lambda chain: chain[-1][1])
    by_start = sorted(chains, key=lambda chain: chain[0][1])
    following = {id(end): start for end, start in zip(by_end, by_start, strict=True)}
    while following:
        chain = next(start for start in by_start if id(start) in following)
        ring: Ring = []
        while id(chain) in following:
            ring += chain
            chain = following.pop(id(chain))
        closed = [here for here, before in zip(ring, [ring[-1], *ring], strict=False) if here != before]
        if len(closed) >= _MIN_RING_POSITIONS - 1:
            yield [*closed, closed[0]]
