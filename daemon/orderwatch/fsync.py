"""Makes files and folders survive a power cut. Blocking."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Syncs a file, or the entries of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
