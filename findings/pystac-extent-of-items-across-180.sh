#!/usr/bin/env bash
# Guess: Extent.from_items compares the four numbers of a bbox one by one. With an item across 180 degrees, whose bbox has a
# west end greater than its east end as RFC 7946 requires, the collection's extent is too wide, at worst the whole globe.
#
# What happens: the extent is too narrow. It takes the least west end and the greatest east end, and the east end of the item
# across 180 degrees is the least of all, so the extent leaves that item out: a search by the collection's extent misses it.
# A bbox with heights is read by the same positions: the extent has four numbers, and a height is its east end.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check pystac==1.15.2 pystac-core==1.15.2; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

cat >extent.py <<'PYTHON'
from datetime import UTC, datetime

import pystac


def item(name: str, bbox: list[float]) -> pystac.Item:
    middle = {"type": "Point", "coordinates": bbox[: len(bbox) // 2]}
    return pystac.Item(name, middle, bbox, datetime(2026, 1, 1, tzinfo=UTC), {})


def extent(*boxes: list[float]) -> list[float]:
    return pystac.Extent.from_items([item(str(n), bbox) for n, bbox in enumerate(boxes)]).spatial.bboxes[0]


print("pystac", pystac.__version__)
across, beside = [179.0, -17.0, -179.0, -16.0], [170.0, -17.0, 171.0, -16.0]
narrow = extent(across, beside)
print("items", across, beside, "extent", narrow, "instead of", [170.0, -17.0, -179.0, -16.0])
high = [10.0, 50.0, 100.0, 11.0, 51.0, 200.0]
flat = extent(high)
print("item with heights", high, "extent", flat)
raise SystemExit((narrow, flat) != ([170.0, -17.0, 171.0, -16.0], [10.0, 50.0, 100.0, 11.0]))
PYTHON

venv/bin/python extent.py || { echo "the behaviour has changed" >&2; exit 1; }
