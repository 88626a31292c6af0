#!/usr/bin/env bash
# Guess: each SubIFD of a TIFF is named once, by the SubIFDs tag (330), and the offset of the next directory behind it is
# zero, as GDAL and Adobe's technical note have it. So a directory that is met twice is a loop.
# What happens: tifffile names its SubIFDs in the tag and also chains them, each to the next. A reader that follows both
# meets them twice. A guard against loops has to skip such a directory, not reject the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tifffile==2025.10.16 numpy==2.3.4
cat > "$folder/play.py" <<'PYTHON'
import io
import struct

import numpy
import tifffile

print("tifffile", tifffile.__version__)
made = io.BytesIO()
pixels = numpy.zeros((64, 64), numpy.uint8)
with tifffile.TiffWriter(made, byteorder="<") as writer:
    writer.write(pixels, subifds=3)
    for step in (2, 4, 8):
        writer.write(pixels[::step, ::step], subfiletype=1)
data = made.getvalue()
with tifffile.TiffFile(io.BytesIO(data)) as file:
    listed = list(file.pages[0].tags[330].value)


def next_of(at):
    (count,) = struct.unpack_from("<H", data, at)
    return struct.unpack_from("<I", data, at + 2 + 12 * count)[0]


chained = [next_of(at) for at in listed]
print("SubIFDs by tag 330:", listed)
print("the next directory behind each:", chained)
assert chained == [*listed[1:], 0], "they are no longer chained"
PYTHON
"$folder/venv/bin/python" "$folder/play.py"
