#!/usr/bin/env bash
# Guess: Pillow raises "image file is truncated" for a PNG that lacks its last bytes, because
# ImageFile.LOAD_TRUNCATED_IMAGES is off by default.
# What happens: load() ends as soon as it has all pixels. A PNG without its IEND chunk, and even without the end of its
# image data (the Adler-32 and the CRC), loads without an error or a warning; so does an animated one without its later
# frames. To prove that a PNG is whole, check the CRC of every chunk up to IEND.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==12.0.0
cat > "$folder/play.py" <<'PYTHON'
import io
import warnings

import PIL
from PIL import Image, ImageFile

warnings.simplefilter("error")
print("Pillow", PIL.__version__, "LOAD_TRUNCATED_IMAGES =", ImageFile.LOAD_TRUNCATED_IMAGES)
frame = Image.radial_gradient("L")
made = io.BytesIO()
frame.save(made, "PNG")
still = made.getvalue()
made = io.BytesIO()
frame.save(made, "PNG", save_all=True, append_images=[frame.rotate(90), frame.rotate(180)])
animated = made.getvalue()


def loaded(data):
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return image.tobytes() == frame.tobytes()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


results = {}
for name, data, cuts in (("still", still, (1, 12, 20, 2000)), ("animated", animated, (1, len(animated) // 2))):
    for cut in cuts:
        results[name, cut] = loaded(data[:-cut])
        print(f"{name}, {len(data)} bytes, the last {cut} missing: {results[name, cut]}")
assert results["still", 12] is True, "a missing IEND is noticed now"
assert results["still", 20] is True, "missing image data is noticed now"
assert results["still", 2000] is not True, "half a picture is no error now"
assert results["animated", len(animated) // 2] is True, "missing frames are noticed now"
PYTHON
"$folder/venv/bin/python" "$folder/play.py"
