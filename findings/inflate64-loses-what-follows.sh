#!/usr/bin/env bash
# Guess: inflate64's Inflater works like the decompressors of the standard library, zlib, bz2 and lzma: at the end of the
# compressed data `eof` is true, and what was given beyond it is in `unused_data`. So members that follow each other can be
# read from one stream.
#
# What happens: `eof` is true, but there is no `unused_data`. What follows in the same block is taken without an error and gone.
# How much of the block was used is not shown, so the next member cannot be found.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check inflate64==1.0.4; } ||
  { echo "not run: the package could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import sys
import zlib
from importlib.metadata import version

import inflate64

content = b"the first member, " * 50
deflater = inflate64.Deflater()
packed = deflater.deflate(content) + deflater.flush()
compressor = zlib.compressobj(wbits=-15)
packed_by_zlib = compressor.compress(content) + compressor.flush()
follows = b"the next member"


def outcome(what, decompressor, decompress, given):
    is_right = decompress(given) == content
    unused = getattr(decompressor, "unused_data", "no such attribute")
    print(f"{what}: content right {is_right}, eof {decompressor.eof}, unused_data {unused!r}")
    return is_right, decompressor.eof, unused


print("inflate64", version("inflate64"))
print("Bytes behind the end of the compressed data disappear, without an error and without unused_data.")
standard, other = zlib.decompressobj(-15), inflate64.Inflater()
outcomes = [
    outcome("zlib", standard, standard.decompress, packed_by_zlib + follows),
    outcome("inflate64", other, other.inflate, packed + follows),
]
if outcomes != [(True, True, follows), (True, True, "no such attribute")]:
    sys.exit("the behaviour has changed")
PYTHON
