#!/usr/bin/env bash
# Guess: io.BytesIO(content) shares the bytes it was given until somebody writes, and aiohttp reads a BytesIO body in chunks as it
# sends. So to wrap the bytes of a large body costs no memory.
#
# What happens: aiohttp asks the BytesIO for `getbuffer()`, to learn the size. A view of a BytesIO may be written through, so CPython
# copies the shared bytes first, in the thread of the event loop. Each body is in memory twice: eight parts of 8 MiB take 128 MiB.
# A subclass whose `getbuffer` returns a view of the bytes it was given costs nothing.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5; } ||
  { echo "not run: the package could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import io
import sys
import tracemalloc
from importlib.metadata import version

from aiohttp.payload import BytesIOPayload

SIZE = 8 * 2**20
content = bytes(SIZE)


class Body(io.BytesIO):
    def __init__(self, content):
        super().__init__(content)
        self._content = content

    def getbuffer(self):
        return memoryview(self._content)


def allocated(make):
    tracemalloc.start()
    kept = make()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return size // 2**20


found = [
    allocated(lambda: io.BytesIO(content)),
    allocated(lambda: BytesIOPayload(io.BytesIO(content))),
    allocated(lambda: BytesIOPayload(Body(content))),
]
print("aiohttp", version("aiohttp"), "on Python", sys.version.split()[0])
print("MiB allocated for a body of 8 MiB: BytesIO %d, aiohttp's payload of it %d, of the subclass %d" % tuple(found))
if found != [0, 8, 0]:
    sys.exit("the behaviour has changed")
PYTHON
