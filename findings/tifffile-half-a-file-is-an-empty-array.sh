#!/usr/bin/env bash
# Guess: tifffile.imread raises for a TIFF whose only directory is missing because the file was cut, as Pillow and GDAL do.
# What happens: it logs a warning and returns an empty array of shape (0,). Of a file with several pages it returns those
# whose directories are left, as if there were no others. Most writers put the directory behind the image data, so this
# is what a download that broke off looks like. Check the directories before you trust the pages.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tifffile==2025.10.16 numpy==2.3.4 pillow==12.0.0
cat > "$folder/play.py" <<'PYTHON'
import io
import logging

import numpy
import tifffile
from PIL import Image

logging.disable()
print("tifffile", tifffile.__version__)
pixels = numpy.arange(64 * 64, dtype=numpy.uint8).reshape(64, 64)


def read(name, data):
    try:
        found = tifffile.imread(io.BytesIO(data)).shape
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    print(f"{name}: {found}")
    return found


def pages(count):
    made = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(made, "TIFF", compression="tiff_deflate", save_all=True, append_images=[image] * (count - 1))
    return made.getvalue()


one, three = pages(1), pages(3)
whole = read("one page", one)
half = read("one page, the second half missing", one[: len(one) // 2])
some = read("three pages, the last third missing", three[: len(three) * 2 // 3 - 8])
assert whole == (64, 64)
assert half == (0,), "half a file is noticed now"
assert some in {(64, 64), (2, 64, 64)}, "missing pages are noticed now"
PYTHON
"$folder/venv/bin/python" "$folder/play.py"
