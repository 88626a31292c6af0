"""Computes bounding boxes as RFC 7946 defines them. Positions are longitude and latitude in degrees."""

from collections.abc import Iterable, Iterator, Mapping

Bbox = tuple[float, float, float, float]  # west, south, east, north; west > east across 180°

_HALF_TURN, _FULL_TURN = 180.0, 360.0
WORLD: Bbox = (-180.0, -90.0, 180.0, 90.0)


def bbox(geometry: Mapping[str, object]) -> Bbox:
    """Returns the smallest box around a geometry of `geometry.drawable`, none of whose rings crosses 180°."""
    return around(_boxes(geometry["coordinates"]))


def around(boxes: Iterable[Bbox]) -> Bbox:
    """Returns the smallest box around all boxes, the world for none."""
    found = list(boxes)
    if not found:
        return WORLD
    west, east = _span((box[0], box[2]) for box in found)
    return west, min(box[1] for box in found), east, max(box[3] for box in found)


def _span(intervals: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Returns the west and east ends outside the widest gap; of equal gaps, the one at 180°."""
    ordered = sorted(part for west, east in intervals for part in _unfolded(west, east))
    gaps = []
    reached = ordered[0][1]
    for west, east in ordered[1:]:
        if west > reached:
            gaps.append((west - reached, west, reached))
        reached = max(reached, east)
    at_the_edge = ordered[0][0] + _FULL_TURN - reached
    width, west, east = max(gaps, default=(0.0, 0.0, 0.0))
    return (west, east) if width > at_the_edge else (ordered[0][0], reached)


def _unfolded(west: float, east: float) -> Iterator[tuple[float, float]]:
    """Yields the interval, in two parts if it crosses 180°."""
    if west <= east:
        yield west, east
    else:
        yield west, _HALF_TURN
        yield -_HALF_TURN, east


def _boxes(coordinates: object) -> Iterator[Bbox]:
    """Yields a box for each point and ring."""
    match coordinates:
        case [float(lon), float(lat)]:
            yield lon, lat, lon, lat
        case [[float(), float()], *_] as positions if positions[0] == positions[-1]:
            longitudes, latitudes = zip(*positions, strict=True)
            yield min(longitudes), min(latitudes), max(longitudes), max(latitudes)
        case list():
            for part in coordinates:
                yield from _boxes(part)
