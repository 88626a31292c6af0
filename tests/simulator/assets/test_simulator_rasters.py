"""GeoTIFFs and the grid they lie in."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderwatch.simulator.assets.grid import squares, utm
from orderwatch.simulator.assets.rasters import ANALYTIC, CLOUD, VISUAL, Bands, geotiff

POINT = {"type": "Point", "coordinates": [4.0333, 51.9555]}
(SQUARE,) = squares(POINT, 1, 4)


def directory(tiff: bytes) -> dict[int, list[float]]:
    """Return the fields of the only directory by their tag."""
    letters = {3: "H", 4: "I", 12: "d"}
    assert tiff[:8] == b"II*\0\x08\0\0\0"
    (count,) = struct.unpack_from("<H", tiff, 8)
    found = {}
    for place in range(10, 10 + 12 * count, 12):
        tag, kind, length = struct.unpack_from("<2HI", tiff, place)
        form = f"<{length}{letters[kind]}"
        inside = struct.calcsize(form) <= 4
        start = place + 8 if inside else struct.unpack_from("<I", tiff, place + 8)[0]
        found[tag] = list(struct.unpack_from(form, tiff, start))
    return found


@pytest.mark.parametrize("bands", [VISUAL, ANALYTIC, CLOUD])
@given(pixels=st.integers(1, 40))
def test_the_strips_of_a_raster_fill_it_to_its_end(bands: Bands, pixels: int) -> None:
    tiff = geotiff(bands, pixels, SQUARE, "a")
    fields = directory(tiff)
    ends = [offset + count for offset, count in zip(fields[273], fields[279], strict=True)]
    assert fields[273][1:] == ends[:-1]
    assert ends[-1] == len(tiff)
    assert sum(fields[279]) == pixels * pixels * bands.number * bands.sample_bytes
    assert list(fields) == sorted(fields)


def test_a_raster_lies_in_its_square() -> None:
    fields = directory(geotiff(VISUAL, 16, SQUARE, "a"))
    assert fields[33550] == [250.0, 250.0, 0.0]
    assert fields[33922] == [0.0, 0.0, 0.0, 568_000.0, 5_760_000.0, 0.0]
    assert fields[34735][-1] == 32631


def test_the_seed_decides_about_the_samples() -> None:
    assert geotiff(VISUAL, 16, SQUARE, "a") == geotiff(VISUAL, 16, SQUARE, "a")
    assert geotiff(VISUAL, 16, SQUARE, "a") != geotiff(VISUAL, 16, SQUARE, "b")


# Computed with PROJ.
@pytest.mark.parametrize(
    ("longitude", "latitude", "zone", "easting", "northing"),
    [
        (4.0333, 51.9555, 31, 571006.0, 5756593.1),
        (-68.28, -34.62, 19, 566004.1, 6168860.6),
        (118.06, 15.75, 50, 613556.6, 1741567.2),
        (179.9, -10.0, 60, 817955.4, 8893189.3),
    ],
)
def test_places_are_converted_to_utm(
    longitude: float, latitude: float, zone: int, easting: float, northing: float
) -> None:
    found, *metres = utm(longitude, latitude)
    assert found == zone
    assert metres == pytest.approx([easting, northing], abs=1)


@given(st.integers(1, 130), st.sampled_from([2, 4]))
def test_squares_are_distinct_and_touch(count: int, side: int) -> None:
    found = list(squares(POINT, count, side))
    assert len({square.name for square in found}) == len(found) == count
    assert all(square.easting % side == square.northing % side == 0 for square in found)
    assert found[0].code.startswith(f"SATL-{side}KM-31N_")


def test_the_squares_cover_the_middle_of_the_target() -> None:
    for count in (1, 4, 9, 120):
        boxes = [square.bounds for square in squares(POINT, count, 4)]
        assert any(w <= 4.0333 <= e and s <= 51.9555 <= n for w, s, e, n in boxes)
