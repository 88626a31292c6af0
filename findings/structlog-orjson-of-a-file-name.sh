#!/usr/bin/env bash
# Guess: JSONRenderer(serializer=orjson.dumps), the usual way to faster JSON logs, logs whatever the default
# JSONRenderer() logs: structlog passes its fallback along, which takes the repr() of what JSON does not know.
#
# What happens: the fallback is never asked about a str, an int or a key. A file name from os.listdir() that is not UTF-8 (any
# bytes are a valid name on Linux), an integer of more than 64 bits, or a dict with a number as key, raise TypeError out of
# log.info() into the program; the default renderer logs all three. An arbitrary object, in contrast, is no problem.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check structlog==26.1.0 orjson==3.13.0; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import os
import sys
from importlib.metadata import version

import orjson
import structlog

os.mkdir("files")
open(b"files/caf\xe9.zip", "w").close()
[name] = os.listdir("files")


def outcome(renderer, **values):
    log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[renderer])
    try:
        return repr(log.info("seen", **values))
    except TypeError as error:
        return f"raises TypeError: {error}"


print("structlog", version("structlog"), "orjson", version("orjson"))
print("With orjson as serializer, logging the name of a file raises in the caller where the default renderer logs it.")
raised = []
for values in ({"name": name}, {"bytes": 2**64}, {"by_id": {1: "x"}}, {"a_class": ValueError}):
    for what, renderer in (
        ("default", structlog.processors.JSONRenderer()),
        ("orjson ", structlog.processors.JSONRenderer(serializer=orjson.dumps)),
    ):
        said = outcome(renderer, **values)
        print(f"{what} {ascii(values)}: {said}")
        raised.append("raises" in said)
if raised != [False, True, False, True, False, True, False, False]:
    sys.exit("the behaviour has changed")
PYTHON
