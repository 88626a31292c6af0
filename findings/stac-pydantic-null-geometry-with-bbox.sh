#!/usr/bin/env bash
# Guess: an item that stac-pydantic accepts is valid STAC. The specification requires a bbox if the geometry is not null, and
# prohibits one if it is null; stac-pydantic rejects both mistakes.
#
# What happens: only the first. An item with "geometry": null and a bbox passes stac-pydantic, keeps the bbox when it is written
# again, and fails the JSON Schema of the specification that pystac contains. Test with both.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check stac-pydantic==3.7.1 'pystac[validation]==1.15.2' pystac-core==1.15.2; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

cat >validate.py <<'PYTHON'
from importlib.metadata import version

from pydantic import ValidationError
from pystac.errors import STACValidationError
from pystac.validation import validate_dict
from stac_pydantic import Item

POINT = {"type": "Point", "coordinates": [10.0, 50.0]}
BBOX = [10.0, 50.0, 10.0, 50.0]


def verdicts(**members: object) -> tuple[bool, bool]:
    item = {
        "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": "one", "links": [], "assets": {},
        "properties": {"datetime": "2026-01-01T00:00:00Z"}, **members,
    }
    found = []
    for check, error in ((Item.model_validate, ValidationError), (lambda d: validate_dict(d), STACValidationError)):
        try:
            check(item)
        except error:
            found.append(False)
        else:
            found.append(True)
    return found[0], found[1]


print("stac-pydantic", version("stac-pydantic"), "pystac", version("pystac"))
cases = {
    "geometry and bbox": (verdicts(geometry=POINT, bbox=BBOX), (True, True)),
    "geometry without bbox": (verdicts(geometry=POINT), (False, False)),
    "null without bbox": (verdicts(geometry=None), (True, True)),
    "null with bbox": (verdicts(geometry=None, bbox=BBOX), (True, False)),
}
for name, (found, _) in cases.items():
    print(f"{name}: stac-pydantic {'accepts' if found[0] else 'rejects'}, the schema {'accepts' if found[1] else 'rejects'}")
raise SystemExit(any(found != expected for found, expected in cases.values()))
PYTHON

venv/bin/python validate.py || { echo "the behaviour has changed" >&2; exit 1; }
