"""Where scenes and tiles lie: strips of a target, and the squares of a kilometre grid in UTM."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from orderwatch.simulator.documents import Document

_RADIUS_M, _FLATNESS, _SCALE = 6_378_137.0, 0.00669437999, 0.9996  # WGS 84
_KM_PER_DEGREE = 111.32
_HALF_WIDTH = 0.035  # degrees: scenes around a point have sides of about 7 km


class Square(NamedTuple):
    """A square by its south-west corner in kilometres; `bounds` are west, south, east, north in degrees."""

    zone: int
    is_north: bool
    easting: int
    northing: int
    side: int
    bounds: tuple[float, float, float, float]

    @property
    def epsg(self) -> int:
        return (32600 if self.is_north else 32700) + self.zone

    @property
    def name(self) -> str:
        return f"{self.zone:02d}{'N' if self.is_north else 'S'}_{self.easting}_{self.northing}"

    @property
    def code(self) -> str:
        return f"SATL-{self.side}KM-{self.name}"

    @property
    def ring(self) -> list[list[float]]:
        west, south, east, north = self.bounds
        return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def squares(target: Document, count: int, side: int) -> Iterator[Square]:
    """Yield as many squares around the middle of a target, row by row from the south-west."""
    longitude, latitude = _middle(target)
    zone, easting, northing = utm(longitude, latitude)
    per_row = max(1, math.isqrt(max(count - 1, 0)) + 1)
    first_east, first_north = (
        math.floor(metres / 1000 / side) * side - per_row // 2 * side for metres in (easting, northing)
    )
    width = side / (_KM_PER_DEGREE * math.cos(math.radians(latitude)))
    height = side / _KM_PER_DEGREE
    for number in range(count):
        row, column = divmod(number, per_row)
        east, north = first_east + column * side, first_north + row * side
        west = longitude + (east - easting / 1000) / side * width
        south = latitude + (north - northing / 1000) / side * height
        bounds = (west, south, west + width, south + height)
        yield Square(zone, latitude >= 0, east, north, side, _rounded(bounds))


def strip(target: Document, number: int, count: int) -> list[list[float]]:
    """Return a ring: a square around a point, or one of the strips from west to east that cover an area."""
    west, south, east, north = bounds_of(target)
    if target["type"] == "Point":
        west, east = west - _HALF_WIDTH, east + _HALF_WIDTH
        south, north = south - _HALF_WIDTH, north + _HALF_WIDTH
    else:
        width = (east - west) / count
        west = west + number * width
        east = west + width
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return [[round(longitude, 6), round(latitude, 6)] for longitude, latitude in corners]


def utm(longitude: float, latitude: float) -> tuple[int, float, float]:
    """Return zone, easting and northing in metres (Snyder's series, good to a metre within the zone)."""
    zone = min(60, int((longitude + 180) // 6) + 1)
    phi, e2 = math.radians(latitude), _FLATNESS
    second = e2 / (1 - e2)
    normal = _RADIUS_M / math.sqrt(1 - e2 * math.sin(phi) ** 2)
    t, c = math.tan(phi) ** 2, second * math.cos(phi) ** 2
    a = math.radians(longitude - (zone * 6 - 183)) * math.cos(phi)
    arc = _RADIUS_M * (
        (1 - e2 / 4 - 3 * e2**2 / 64) * phi
        - (3 * e2 / 8 + 3 * e2**2 / 32) * math.sin(2 * phi)
        + 15 * e2**2 / 256 * math.sin(4 * phi)
    )
    easting = _SCALE * normal * (a + (1 - t + c) * a**3 / 6) + 500_000
    northing = _SCALE * (arc + normal * math.tan(phi) * (a**2 / 2 + (5 - t + 9 * c) * a**4 / 24))
    return zone, easting, northing if latitude >= 0 else northing + 10_000_000


def _middle(target: Document) -> tuple[float, float]:
    west, south, east, north = bounds_of(target)
    return (west + east) / 2, (south + north) / 2


def bounds_of(geometry: Document) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a geometry."""
    positions = list(_positions(geometry["coordinates"]))
    longitudes, latitudes = [p[0] for p in positions], [p[1] for p in positions]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _positions(value: list[object] | tuple[object, ...]) -> Iterator[list[float]]:
    if value and isinstance(value[0], int | float):
        yield [float(number) for number in value if isinstance(number, int | float)]
        return
    for inner in value:
        if isinstance(inner, list | tuple):
            yield from _positions(inner)


def _rounded(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    west, south, east, north = (round(number, 6) for number in bounds)
    return west, south, east, north
