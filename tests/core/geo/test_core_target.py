"""Targets: what is taken as one, what is said of the rest, and which of two are one place."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.geo.target import may_be_one, normalised, read_target

SQUARE = [[4.0, 51.0], [4.1, 51.0], [4.1, 51.1], [4.0, 51.1], [4.0, 51.0]]
HOLE = [[4.02, 51.02], [4.02, 51.04], [4.04, 51.04], [4.04, 51.02], [4.02, 51.02]]
CRS84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}


def point(*numbers: object) -> dict[str, Any]:
    return {"type": "Point", "coordinates": list(numbers)}


def polygon(*rings: object) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def circle(corners: int, radius: float = 1.0) -> list[list[float]]:
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    ring = [[radius * math.cos(turn), radius * math.sin(turn)] for turn in turns]
    return [*ring, ring[0]]


@pytest.mark.parametrize(
    "target",
    [
        point(4.0333, 51.9555),
        point(-180, -90),
        point(4, 51, 12.5),
        polygon(SQUARE),
        polygon(SQUARE, HOLE),
        polygon([[4, 51], [5, 51], [4.5, 52], [4, 51]]),
        polygon([[4, 51, 3], [5, 51, 3], [4.5, 52, 3], [4, 51, 3]]),
        polygon(circle(1000)),
        point(4, 51) | {"bbox": [4, 51, 4, 51]},
        point(4, 51) | {"crs": CRS84},
    ],
)
def test_what_geojson_allows_is_a_target(target: dict[str, Any]) -> None:
    read, problems = read_target(target)
    assert problems == []
    assert read is not None
    assert read == normalised(target)
    assert set(read) == {"type", "coordinates"}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (None, "must be a geometry"),
        ([4, 51], "must be a geometry"),
        ({}, "type: missing"),
        ({"type": 3}, "type: missing"),
        ({"type": "Point"}, "not a position"),
        ({"type": "MultiPolygon", "coordinates": []}, "orders of one Polygon each"),
        ({"type": "MultiPoint"}, "orders of one Point each"),
        ({"type": "GeometryCollection", "geometries": []}, "split it"),
        ({"type": "Feature"}, "give its geometry"),
        ({"type": "LineString"}, "LineString cannot be ordered"),
        (point(), "not a position"),
        (point(4), "not a position"),
        (point(4, 51, 0, 0), "not a position"),
        (point("4", "51"), "numbers"),
        ({"type": "Point", "coordinates": [True, 51]}, "numbers"),
        (point(math.nan, 51), "numbers"),
        (point(4, 51, math.inf), "numbers"),
        (point(10**400, 51), "numbers"),
        (point(51, 139.7), "longitude comes first"),
        (point(500_000, 4_600_000), "in degrees"),
        (point(180.5, 51), "beyond 180"),
        (point(4, 51) | {"srid": 4326}, "srid: is not allowed"),
        (point(4, 51) | {"crs": {"type": "name", "properties": {"name": "EPSG:3857"}}}, "must be CRS84"),
        (point(4, 51) | {"crs": None}, "must be CRS84"),
        (polygon(), "[[["),
        (polygon([]), "[[["),
        (polygon(*SQUARE), "[[["),
        (polygon(SQUARE, "hole"), "[[["),
        (polygon(SQUARE[:2]), "fewer than four"),
        (polygon(SQUARE[:4]), "not closed"),
        (polygon([*SQUARE[:2], SQUARE[1], *SQUARE[2:]]), "position 3 repeats"),
        (polygon([SQUARE[0], [4.1, 151.0], *SQUARE[2:]]), "position 2 has a latitude"),
        (polygon(SQUARE[::-1]), "outer ring runs clockwise"),
        (polygon(SQUARE, HOLE[::-1]), "hole 1 runs counter-clockwise"),
        (polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]), "sides 1 and 3"),
        (polygon([[0, 0], [4, 0], [4, 4], [2, 0], [0, 4], [0, 0]]), "touches itself"),
        (polygon([[0, 0], [4, 0], [2, 0], [2, 4], [0, 0]]), "touches itself"),
        (polygon([[0, 0], [0.1, 0.1], [0.3, 0.3], [0, 0]]), "no area"),
        (polygon([[0.1, 0.2], [0.4, 0.8], [0.2, 0.4], [0.1, 0.2]]), "no area"),
        (polygon([[-179, 0], [179, 0], [179, 1], [-179, 1], [-179, 0]]), "antimeridian"),
        (polygon(circle(10_001)), "at most 10000"),
    ],
)
def test_what_cannot_be_ordered_is_said_with_what_to_do(target: object, said: str) -> None:
    read, problems = read_target(target)
    assert read is None
    assert len(problems) == 1
    assert said in problems[0]


def test_every_wrong_ring_and_member_is_said_and_no_more_than_a_few() -> None:
    _, problems = read_target(polygon(SQUARE[::-1], HOLE[::-1]) | {"name": "Quay", "crs": "none"})
    assert [problem.split()[0] for problem in problems] == ["name:", "crs:", "the", "hole"]
    _, many = read_target(polygon(SQUARE[::-1], *[SQUARE] * 1999))
    assert many[-1] == "and 1995 more holes are invalid"
    assert len(many) == 6


def test_a_ring_that_crosses_itself_late_is_found_among_a_thousand_corners() -> None:
    ring = circle(1000)
    ring[700], ring[701] = ring[701], ring[700]
    _, problems = read_target(polygon(ring))
    assert "sides 700 and 702" in problems[0]


def test_a_long_way_to_and_fro_whose_sides_all_lie_above_each_other_is_a_ring() -> None:
    ways = [[[x, 0.001 * y] for x in ((0.0, 50.0) if y % 2 else (50.0, 0.0))] for y in range(500)]
    ring = [*itertools.chain(*ways), [51.0, 2.0], [-1.0, 2.0], [-1.0, -1.0], [51.0, -1.0], [50.0, 0.0]]
    assert read_target(polygon(ring))[1] == []
    ring[601:603] = ring[602], ring[601]
    assert "touches itself" in read_target(polygon(ring))[1][0]


numbers = st.sampled_from(
    [0, -0.0, 1e-320, 5, 4.1, 90, 180, -180.0, 1e308, math.nan, 10**400, True, "4", None]
)
positions = st.lists(numbers, max_size=4)
rings = st.lists(positions, max_size=6)
values = (
    numbers
    | positions
    | rings
    | st.lists(rings, max_size=3)
    | st.lists(st.lists(rings, max_size=2), max_size=2)
)
odd_targets = values | st.fixed_dictionaries(
    {"type": st.sampled_from(["Point", "Polygon", "MultiPolygon", 4])},
    optional={"coordinates": values, "bbox": numbers, "crs": values, "\n": values},
)


@given(odd_targets)
def test_whatever_stands_there_is_a_target_or_has_problems(target: object) -> None:
    read, problems = read_target(target)
    assert (read is None) == bool(problems)
    assert len(problems) < 20
    assert all("\n" not in problem and len(problem) < 300 for problem in problems)


@given(odd_targets)
def test_whatever_the_provider_shows_can_be_compared(shown: object) -> None:
    assert may_be_one(point(4, 51), shown) in {True, False}
    assert may_be_one(polygon(SQUARE), shown) in {True, False}


degrees = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
rounding = st.integers(5, 9)


@given(degrees, rounding)
def test_a_point_is_itself_with_a_height_and_rounded(place: tuple[float, float], digits: int) -> None:
    longitude, latitude = place
    shown = point(round(longitude, digits), round(latitude, digits), 0.0)
    assert may_be_one(point(*place), shown)
    assert may_be_one(point(*place), point(longitude - 360 if longitude == 180 else longitude, latitude))


@given(degrees, st.sampled_from([(2e-5, 0), (0, 2e-5), (0, -1), (90, 0), (-2e-5, 2e-5)]))
def test_a_point_two_metres_away_is_another(place: tuple[float, float], off: tuple[float, float]) -> None:
    longitude, latitude = place[0] * 0.9, place[1] * 0.9
    assert not may_be_one(point(longitude, latitude), point(longitude + off[0], latitude + off[1]))


@given(st.integers(0, 6), st.sampled_from([1, -1]), rounding)
def test_a_polygon_is_itself_wherever_it_begins_and_however_it_runs(
    begin: int, way: int, digits: int
) -> None:
    ring = circle(7, 0.3)[:-1]
    turned = [[round(x, digits), round(y, digits), 0.0] for x, y in ring[begin:] + ring[:begin]]
    closed = [*turned, turned[0], turned[0]]
    shown = polygon(closed[::way])
    assert may_be_one(polygon(circle(7, 0.3)), shown)
    assert may_be_one(
        polygon(circle(7, 0.3)), {"type": "MultiPolygon", "coordinates": [shown["coordinates"]]}
    )


@pytest.mark.parametrize(
    "other",
    [
        polygon(circle(7, 0.31)),
        polygon(circle(8, 0.3)),
        polygon([*circle(7, 0.3)[:-1], [0.0, -0.4], circle(7, 0.3)[0]]),
        polygon([*circle(7, 0.3)[:-2], circle(7, 0.3)[0]]),
        point(0.3, 0.0),
    ],
)
def test_a_polygon_with_a_corner_elsewhere_more_or_less_is_another(other: dict[str, Any]) -> None:
    assert not may_be_one(polygon(circle(7, 0.3)), other)
    assert not may_be_one(other, polygon(circle(7, 0.3)))


@pytest.mark.parametrize(
    "shown", [None, "…", {}, {"type": "Point", "coordinates": "…"}, polygon(["…"]), point()]
)
def test_what_cannot_be_read_does_not_speak_against(shown: object) -> None:
    assert may_be_one(point(4, 51), shown)


def test_both_sides_of_the_antimeridian_are_one() -> None:
    assert may_be_one(point(180, 1), point(-180, 1))
    assert may_be_one(point(179.999998, 1), point(-179.999999, 1))
