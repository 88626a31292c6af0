"""What counts as a place, whatever a provider says."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.db.kit import JSON

from orderwatch.core.geo.geometry import drawable

RING = [[10.0, 50.0], [11.0, 50.0], [11.0, 51.0], [10.0, 50.0]]
HOLE = [[10.5, 50.1], [10.9, 50.5], [10.9, 50.1], [10.5, 50.1]]
EAST = [[lon + 2, lat] for lon, lat in RING]
SQUARE = {"type": "Polygon", "coordinates": [RING]}
NOWHERE: list[object] = [
    [],
    [1],
    "12",
    [1, 2, 3, 4],
    [True, 2],
    ["1", 2],
    [None, 2],
    [math.nan, 2],
    [1, math.inf],
    [10**400, 2],
    [360.1, 2],
    [1, -90.1],
    [[1, 2]],
]
BROKEN: list[object] = [
    [],
    [[]],
    RING,
    [RING[:3]],
    [[*RING[:3], [10.0, 50.1]]],
    [RING, []],
    {"0": RING},
    [[*RING[:3], None, RING[0]]],
]


@pytest.mark.parametrize(
    "shape",
    [
        {"type": "Point", "coordinates": [-180, 90]},
        {"type": "MultiPoint", "coordinates": [[1.0, 2.0], [179.5, 2.0]]},
        SQUARE,
        {"type": "Polygon", "coordinates": [RING, HOLE]},
        {"type": "MultiPolygon", "coordinates": [[RING, HOLE], [EAST]]},
    ],
)
def test_a_sound_geometry_stays_as_it_is(shape: dict[str, object]) -> None:
    assert drawable(shape) == shape


@pytest.mark.parametrize(
    "shape",
    [
        None,
        [],
        "POINT (1 2)",
        {},
        {"type": ["Point"], "coordinates": [1, 2]},
        {"type": "LineString", "coordinates": RING},
        {"type": "Point"},
        *({"type": "Point", "coordinates": position} for position in NOWHERE),
        *({"type": "Polygon", "coordinates": rings} for rings in BROKEN),
        {"type": "Polygon", "coordinates": [[*RING, *RING * 2_500]]},
        {"type": "Polygon", "coordinates": [RING] * 1_001},
        {"type": "MultiPolygon", "coordinates": [RING]},
        {"type": "MultiPolygon", "coordinates": [[RING], []]},
        {"type": "MultiPolygon", "coordinates": []},
        {"type": "MultiPoint", "coordinates": []},
        {"type": "MultiPoint", "coordinates": RING * 2_501},
    ],
)
def test_what_is_no_geometry_is_none(shape: object) -> None:
    assert drawable(shape) is None


NUMBERS = st.integers() | st.floats() | st.booleans() | st.none()
NESTED = st.recursive(NUMBERS | st.text(max_size=3), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@given(st.sampled_from(["Point", "MultiPoint", "Polygon", "MultiPolygon"]), JSON | NESTED)
def test_nothing_that_is_said_of_a_place_is_an_error(kind: str, coordinates: object) -> None:
    found = drawable({"type": kind, "coordinates": coordinates})
    json.dumps(found, allow_nan=False)
