"""Geometries of a provider, as RFC 7946 writes them: cut at 180 degrees, closed at a pole, or rejected."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.geo.bbox import WORLD, Bbox, around, bbox
from orderwatch.core.geo.geometry import drawable, read_geometry

Ring = list[list[float]]


def box(west: float, south: float, east: float, north: float) -> Ring:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def polygon(*rings: Ring) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def parallel(lat: float, *longitudes: float) -> Ring:
    return [[lon, lat] for lon in longitudes]


def split(*polygons: list[Ring]) -> dict[str, Any]:
    return {"type": "MultiPolygon", "coordinates": list(polygons)}


FOLDED = [[179.9, 10.0], [-179.9, 10.0], [-179.9, 11.0], [179.9, 11.0], [179.9, 10.0]]
BEYOND = box(179.9, 10, 180.1, 11)
HALVES = [[box(179.9, 10, 180, 11)], [box(-180, 10, -179.9, 11)]]
NARROW: Bbox = (179.9, 10, -179.9, 11)
HOLE = [[179.5, 10.5], [179.5, 11.5], [-179.5, 11.5], [-179.5, 10.5], [179.5, 10.5]]
WIDE = [[179.0, 10.0], [-179.0, 10.0], [-179.0, 12.0], [179.0, 12.0], [179.0, 10.0]]
WIDE_HALVES = [[box(179, 10, 180, 12)], [box(-180, 10, -179, 12)]]
NORTH = parallel(80, -170, -90, 0, 90, 170, -170)
NORTH_CAP = [*parallel(80, -180, -170, -90, 0, 90, 170, 180), [180.0, 90.0], [-180.0, 90.0], [-180.0, 80.0]]
SOUTH = [[lon, -lat] for lon, lat in NORTH]
SOUTH_CAP = [[lon, -lat] for lon, lat in NORTH_CAP]
CAP = [*parallel(80, -180, 180), [180.0, 90.0], [-180.0, 90.0], [-180.0, 80.0]]
AROUND_HOLE: Ring = [[180, 10], *HOLE[:2], [180, 11.5], [180, 12], [179, 12], [179, 10], [180, 10]]
AROUND_HOLE.insert(1, [180, 10.5])
OTHER_HALF = [[-lon, lat] for lon, lat in AROUND_HOLE]
EAST_HOLE = box(-179.8, 10.5, -179.2, 11.5)

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Bbox]] = {
    "far from it": (polygon(box(10, 50, 11, 51)), polygon(box(10, 50, 11, 51)), (10, 50, 11, 51)),
    "clockwise": (polygon(box(10, 50, 11, 51)[::-1]), polygon(box(10, 50, 11, 51)), (10, 50, 11, 51)),
    "folded": (polygon(FOLDED), split(*HALVES), NARROW),
    "folded, clockwise": (polygon(FOLDED[::-1]), split(*HALVES), NARROW),
    "beyond 180": (polygon(BEYOND), split(*HALVES), NARROW),
    "beyond 180, clockwise": (polygon(BEYOND[::-1]), split(*HALVES), NARROW),
    "beyond -180": (polygon(box(-180.1, 10, -179.9, 11)), split(*HALVES), NARROW),
    "all beyond 180": (
        polygon(box(185, 10, 186, 11)),
        polygon(box(-175, 10, -174, 11)),
        (-175, 10, -174, 11),
    ),
    "cut already": (split(*HALVES), split(*HALVES), NARROW),
    "touches 180": (polygon(box(179, 10, 180, 11)), polygon(box(179, 10, 180, 11)), (179, 10, 180, 11)),
    "touches -180": (
        polygon(box(-180, 10, -179, 11)),
        polygon(box(-180, 10, -179, 11)),
        (-180, 10, -179, 11),
    ),
    "touches 180, written -180": (
        polygon([[179, 10], [-180, 10], [-180, 11], [179, 11], [179, 10]]),
        polygon(box(179, 10, 180, 11)),
        (179, 10, 180, 11),
    ),
    "beyond 180 by a rounding error": (
        polygon(box(179, 10, 180.00000000000003, 11)),
        polygon(box(179, 10, 180, 11)),
        (179, 10, 180, 11),
    ),
    "corners on 180": (
        polygon([[179, 10], [-180, 10], [-179, 10], [-179, 12], [180, 12], [179, 12], [179, 10]]),
        split(*WIDE_HALVES),
        (179, 10, -179, 12),
    ),
    "an edge along 180": (
        polygon([[179, 10], [180, 10], [180, 11], [181, 11], [181, 12], [179, 12], [179, 10]]),
        split([box(179, 10, 180, 12)], [box(-180, 11, -179, 12)]),
        (179, 10, -179, 12),
    ),
    "three parts": (
        polygon(
            [[179, 0], [181, 0], [181, 1], [179.5, 1], [179.5, 2], [181, 2], [181, 3], [179, 3], [179, 0]]
        ),
        split(
            [[[180, 0], [180, 1], [179.5, 1], [179.5, 2], [180, 2], [180, 3], [179, 3], [179, 0], [180, 0]]],
            [box(-180, 0, -179, 1)],
            [box(-180, 2, -179, 3)],
        ),
        (179, 0, -179, 3),
    ),
    "a MultiPolygon": (
        split([box(10, 50, 11, 51)], [FOLDED]),
        split([box(10, 50, 11, 51)], *HALVES),
        (10, 10, -179.9, 51),
    ),
    "a hole": (polygon(WIDE, HOLE), split([AROUND_HOLE], [OTHER_HALF[::-1]]), (179, 10, -179, 12)),
    "a hole, counter-clockwise": (
        polygon(WIDE[::-1], HOLE[::-1]),
        split([AROUND_HOLE], [OTHER_HALF[::-1]]),
        (179, 10, -179, 12),
    ),
    "a hole in the other writing": (
        polygon(WIDE, box(179.5, 10.5, 180.5, 11.5)),
        split([AROUND_HOLE], [OTHER_HALF[::-1]]),
        (179, 10, -179, 12),
    ),
    "a hole on one side": (
        polygon(WIDE, EAST_HOLE),
        split(WIDE_HALVES[0], [*WIDE_HALVES[1], EAST_HOLE[::-1]]),
        (179, 10, -179, 12),
    ),
    "heights": (polygon([[*here, 7.0] for here in FOLDED]), split(*HALVES), NARROW),
    "repeated positions": (
        polygon([FOLDED[0], FOLDED[0], FOLDED[1], *FOLDED[1:], FOLDED[-1]]),
        split(*HALVES),
        NARROW,
    ),
    "north pole": (polygon(NORTH), polygon(NORTH_CAP), (-180, 80, 180, 90)),
    "north pole, clockwise": (polygon(NORTH[::-1]), polygon(NORTH_CAP), (-180, 80, 180, 90)),
    "north pole, beyond 180": (
        polygon(parallel(80, 0, 90, 180, 270, 360)),
        polygon([*parallel(80, -180, -90, 0, 90, 180), *NORTH_CAP[-3:]]),
        (-180, 80, 180, 90),
    ),
    "north pole, closed already": (polygon(CAP), polygon(CAP), (-180, 80, 180, 90)),
    "north pole, a hole across 180": (
        polygon(NORTH, [[179, 85], [-179, 85], [-179, 86], [179, 86], [179, 85]]),
        polygon(
            [
                *NORTH_CAP[:7],
                *([180.0, 85.0], [179.0, 85.0], [179.0, 86.0], [180.0, 86.0], [180.0, 90.0], [-180.0, 90.0]),
                *([-180.0, 86.0], [-179.0, 86.0], [-179.0, 85.0], [-180.0, 85.0], [-180.0, 80.0]),
            ]
        ),
        (-180, 80, 180, 90),
    ),
    "north pole, a corner on it": (
        polygon([[170, 88], [-170, 88], [0, 90], [170, 88]]),
        split([box(170, 88, 180, 90)], [box(-180, 88, -170, 90)]),
        (170, 88, -170, 90),
    ),
    "south pole": (polygon(SOUTH), polygon(SOUTH_CAP[::-1]), (-180, -90, 180, -80)),
    "south pole, clockwise": (polygon(SOUTH[::-1]), polygon(SOUTH_CAP[::-1]), (-180, -90, 180, -80)),
    "a point beyond 180": (
        {"type": "Point", "coordinates": [180.5, 2, 30]},
        {"type": "Point", "coordinates": [-179.5, 2]},
        (-179.5, 2, -179.5, 2),
    ),
    "points": (
        {"type": "MultiPoint", "coordinates": [[179.5, 2], [180.5, 3]]},
        {"type": "MultiPoint", "coordinates": [[179.5, 2], [-179.5, 3]]},
        (179.5, 2, -179.5, 3),
    ),
}

REJECTED = {
    "a bow tie": (polygon([[10, 50], [11, 51], [11, 50], [10, 51], [10, 50]]), "touches itself"),
    "a bow tie on 180": (
        polygon([[179.9, 10], [-179.9, 11], [-179.9, 10], [179.9, 11], [179.9, 10]]),
        "touches itself",
    ),
    "a spike": (polygon([[10, 50], [12, 50], [11, 50], [11, 51], [10, 50]]), "touches itself"),
    "a line": (polygon([[10, 50], [11, 51], [12, 52], [10, 50]]), "no area"),
    "a line along 180": (polygon([[180, 50], [-180, 51], [180, 52], [-180, 50]]), "no area"),
    "one position": (polygon([[10, 50]] * 4), "no area"),
    "two positions": (polygon([[10, 50], [11, 51], [10, 50]]), "fewer than four"),
    "only a pole": (polygon([[0, 90], [120, 90], [-120, 90], [0, 90]]), "a pole more than once"),
    "not closed": (polygon(FOLDED[:-1]), "not closed"),
    "not a number": (polygon([[10, 50], [math.nan, 50], [11, 51], [10, 50]]), "in degrees"),
    "infinite": (polygon([[10, 50], [math.inf, 50], [11, 51], [10, 50]]), "in degrees"),
    "beyond a pole": (polygon(box(10, 89, 11, 91)), "in degrees"),
    "beyond a turn": (polygon(box(500, 50, 501, 51)), "in degrees"),
    "a hole outside": (polygon(box(10, 50, 11, 51), box(12, 50, 13, 51)), "outside"),
    "a hole that sticks out": (polygon(box(10, 50, 12, 52), box(10.5, 50.5, 13, 51)), "cross"),
    "a hole across a dent": (
        polygon([[10, 50], [14, 50], [14, 54], [12, 51], [10, 54], [10, 50]], box(10.5, 50.5, 13.5, 51.5)),
        "cross",
    ),
    "crossing parts": (split([box(10, 50, 12, 52)], [box(11, 51, 13, 53)]), "cross"),
    "a hole around a pole": (polygon(NORTH, parallel(85, -170, -90, 0, 90, 170, -170)), "surrounds a pole"),
    "a spiral": (polygon([*NORTH[:-1], *parallel(81, -170, -90, 0, 90, 170), NORTH[0]]), "more than once"),
    "a line of positions": ({"type": "LineString", "coordinates": FOLDED}, "no Point"),
}


def same(geometry: dict[str, Any]) -> dict[str, Any]:
    """The geometry whose rings begin at their least position."""
    match geometry:
        case {"type": "Polygon", "coordinates": rings}:
            return {**geometry, "coordinates": [_turned(ring) for ring in rings]}
        case {"type": "MultiPolygon", "coordinates": polygons}:
            return {
                **geometry,
                "coordinates": sorted([_turned(ring) for ring in rings] for rings in polygons),
            }
        case _:
            return geometry


def _turned(ring: Ring) -> Ring:
    first = ring.index(min(ring))
    return [*ring[first:-1], *ring[:first], ring[first]]


@pytest.mark.parametrize("case", CASES)
def test_a_geometry_is_written_as_rfc_7946_requires(case: str) -> None:
    given_one, expected, its_box = CASES[case]
    found = read_geometry(given_one)
    assert same(found) == same(expected)
    assert bbox(found) == its_box
    assert read_geometry(found) == found


@pytest.mark.parametrize("case", REJECTED)
def test_an_invalid_geometry_is_rejected_with_the_reason(case: str) -> None:
    invalid, reason = REJECTED[case]
    with pytest.raises(ValueError, match=reason):
        read_geometry(invalid)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], WORLD),
        ([(10, 5, 11, 6)], (10, 5, 11, 6)),
        ([(10, 5, 11, 6), (12, 1, 13, 2)], (10, 1, 13, 6)),
        ([NARROW, (170, -17, 171, -16)], (170, -17, -179.9, 11)),
        ([NARROW, (10, 5, 11, 6)], (10, 5, -179.9, 11)),
        ([NARROW, (-11, 5, -10, 6)], (179.9, 5, -10, 11)),
        ([(179, 0, 179.5, 1), (-179.5, 0, -179, 1)], (179, 0, -179, 1)),
        ([(179, 0, 180, 1), (-180, 0, -179, 1)], (179, 0, -179, 1)),
        ([(-180, 80, 180, 90), (10, 5, 11, 6)], (-180, 5, 180, 90)),
        ([(-100, 0, 90, 1), (80, 0, -90, 1)], (-180, 0, 180, 1)),
        ([(0, 0, 0, 0), (-180, 0, -180, 0)], (-180, 0, 0, 0)),
    ],
)
def test_the_box_around_boxes_is_the_smallest(boxes: list[Bbox], expected: Bbox) -> None:
    assert around(boxes) == expected


@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1))
def test_a_box_holds_every_position(positions: list[tuple[float, float]]) -> None:
    geometry = drawable({"type": "MultiPoint", "coordinates": [list(p) for p in positions]})
    assert geometry is not None
    west, south, east, north = bbox(geometry)
    for lon, lat in positions:
        assert south <= lat <= north
        assert west <= lon <= east if west <= east else lon >= west or lon <= east


def area(*rings: Ring) -> float:
    """In square degrees; holes run clockwise and count as negative."""
    return sum(a[0] * b[1] - b[0] * a[1] for ring in rings for a, b in pairwise(ring)) / 2


@given(st.integers(-180, 180), st.lists(st.floats(0.1, 5), min_size=3, max_size=12))
def test_a_cut_keeps_the_area_wherever_the_place_is(lon: int, radii: list[float]) -> None:
    steps = [(radius, 2 * math.pi * number / len(radii)) for number, radius in enumerate(radii)]
    flat = [[radius * math.cos(turn), radius * math.sin(turn)] for radius, turn in steps]
    folded = [[(x + lon + 180) % 360 - 180, y] for x, y in flat]
    found = read_geometry(split([[*folded, folded[0]]]))
    parts = found["coordinates"]
    assert isinstance(parts, list)
    cut_area = area(*(ring for part in parts for ring in part))
    assert math.isclose(cut_area, area([*flat, flat[0]]), abs_tol=1e-6)
    assert read_geometry(json.loads(json.dumps(found))) == found
