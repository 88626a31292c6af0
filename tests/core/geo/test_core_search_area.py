"""The searched area holds the target with a margin, also at the antimeridian and at the poles."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.core.geo.geometry import drawable
from orderwatch.core.geo.search_area import search_area

Box = tuple[float, float, float, float]


def boxes(target: object) -> list[Box]:
    area = search_area(target)
    assert area
    assert drawable(area) is not None
    coordinates: list[list[list[list[float]]]] = area["coordinates"]  # type: ignore[assignment]  # of boxes
    polygons = [coordinates] if area["type"] == "Polygon" else coordinates
    return [(*ring[0], *ring[2]) for (ring,) in polygons]


def point(lon: float, lat: float) -> dict[str, object]:
    return {"type": "Point", "coordinates": [lon, lat, 664.0]}


def test_a_point_is_searched_with_twenty_kilometres_around_it() -> None:
    ((west, south, east, north),) = boxes(point(10, 60))
    assert (south, north) == pytest.approx((59.8, 60.2))
    assert east - 10 == pytest.approx(0.4, abs=0.01)  # degrees of longitude are half as long there
    assert 10 - west == pytest.approx(east - 10)


def test_a_polygon_is_searched_as_its_box() -> None:
    ring = [[10, 0], [11, 0], [11, 1], [10, 0]]
    ((west, south, east, north),) = boxes({"type": "Polygon", "coordinates": [ring]})
    assert (west, south, east, north) == pytest.approx((9.8, -0.2, 11.2, 1.2), abs=1e-3)


def test_an_area_across_the_antimeridian_is_two_boxes() -> None:
    (west, _, end, _), (start, _, east, _) = boxes(point(179.9, 0))
    assert (west, end, start, east) == pytest.approx((179.7, 180, -180, -179.9), abs=1e-3)


@pytest.mark.parametrize("latitude", [90, -90, 89.95])
def test_at_a_pole_all_longitudes_are_searched(latitude: float) -> None:
    ((west, _, east, _),) = boxes(point(100, latitude))
    assert (west, east) == (-180, 180)


@pytest.mark.parametrize("target", [None, "x", {}, {"type": "Point", "coordinates": ["a", 1]}])
def test_without_a_valid_target_there_is_no_area(target: object) -> None:
    assert search_area(target) is None


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_the_target_is_inside(lon: float, lat: float) -> None:
    found = boxes(point(lon, lat))
    for west, south, east, north in found:
        assert -180 <= west <= east <= 180
        assert -90 <= south < north <= 90
    inside = any(
        west <= turned <= east and south <= lat <= north
        for west, south, east, north in found
        for turned in (lon, math.copysign(180, -lon) if abs(lon) == 180 else lon)
    )
    assert inside
