"""What of a file or a folder survives a power cut. Blocking."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Fsync of a file, or of a folder's entries."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
