"""An empty database at head, made once per process: the migrations take a while."""

import tempfile
from functools import cache
from pathlib import Path

from orderwatch.db.migrate import upgrade


@cache
def blank() -> bytes:
    """What it looks like on disk."""
    with tempfile.TemporaryDirectory(prefix="orderwatch-") as folder:
        made = Path(folder, "orderwatch.db")
        upgrade(made)
        return made.read_bytes()


def new_database(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "orderwatch.db"
    path.write_bytes(blank())
    return path
