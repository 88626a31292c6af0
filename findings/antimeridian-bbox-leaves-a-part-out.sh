#!/usr/bin/env bash
# Guess: antimeridian.bbox returns a box around the whole geometry, with a west end greater than the east end if the smallest
# one crosses 180 degrees: for an area on both sides of 180 degrees and one at 10 degrees east, from 10 to -179.
#
# What happens: as soon as one part ends at 180 and another begins at -180, the west end is the least positive longitude of
# these parts alone: the box is from 179 to -179, and the part at 10 degrees east is outside the box of its own geometry.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check antimeridian==0.4.9 shapely==2.2.0 numpy==2.4.6; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

cat >bbox.py <<'PYTHON'
from importlib.metadata import version

import antimeridian
from shapely.geometry import MultiPolygon, box

print("antimeridian", version("antimeridian"), "shapely", version("shapely"))
for west in (10.0, 100.0, -20.0):
    area = MultiPolygon([box(179, 0, 180, 1), box(-180, 0, -179, 1), box(west, 50, west + 1, 51)])
    found = antimeridian.bbox(area)
    print("parts 179 to 180, -180 to -179,", west, "to", west + 1, "valid", area.is_valid, "bbox", found)
    assert area.is_valid
    assert list(found) == [179.0, 0.0, -179.0, 51.0], "the behaviour has changed"
PYTHON

venv/bin/python bbox.py || { echo "the behaviour has changed" >&2; exit 1; }
