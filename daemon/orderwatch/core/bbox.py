"""The box around what lies on the globe."""

from collections.abc import Iterable, Mapping, Sequence

from orderwatch.core.drawable import positions

Bbox = tuple[float, float, float, float]  # west, south, east, north in degrees; west > east across 180°

_HALF, _WHOLE = 180, 360  # degrees
WORLD: Bbox = (-180.0, -90.0, 180.0, 90.0)


def bbox(geometry: Mapping[str, object]) -> Bbox:
    """The smallest box around a sound geometry."""
    longitudes, latitudes = zip(*positions(geometry), strict=True)
    west, east = _span(longitudes)
    return west, min(latitudes), east, max(latitudes)


def around(boxes: Iterable[Bbox]) -> Bbox:
    """A box that holds them all; the world where there are none."""
    found = list(boxes)
    if not found:
        return WORLD
    west, south, east, north = zip(*found, strict=True)
    if any(box[0] > box[2] for box in found):
        return WORLD[0], min(south), WORLD[2], max(north)
    return min(west), min(south), max(east), max(north)


def _span(longitudes: Sequence[float]) -> tuple[float, float]:
    """What is wider than half the globe, or leaves it, crosses 180°: its box begins after the widest gap."""
    west, east = min(longitudes), max(longitudes)
    if west >= -_HALF and east <= _HALF and east - west <= _HALF:
        return west, east
    ordered = sorted({_on_the_globe(lon) for lon in longitudes})
    following = [*ordered[1:], ordered[0] + _WHOLE]
    widest = max(range(len(ordered)), key=lambda i: following[i] - ordered[i])
    west, east = ordered[(widest + 1) % len(ordered)], ordered[widest]
    return west, float(_HALF) if east == -_HALF else east


def _on_the_globe(lon: float) -> float:
    return lon if -_HALF <= lon < _HALF else (lon + _HALF) % _WHOLE - _HALF
