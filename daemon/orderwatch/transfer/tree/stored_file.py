"""Opens a stored file to be served: only a regular file of the tree, with the size that was recorded."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from orderwatch.core.model import Delivery
from orderwatch.errors import StoredFileError


def open_stored(root: Path, delivery: Delivery) -> BinaryIO:
    """Open the file of a stored delivery. Raises `StoredFileError`."""
    if delivery.path is None:
        raise StoredFileError("the file has no place")
    try:
        # Without O_NONBLOCK a named pipe would wait for its writer.
        handle = os.open(root / delivery.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _check(handle, root, delivery.size)
        except BaseException:
            os.close(handle)
            raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoredFileError("the file is gone") from error
    except OSError as error:
        raise StoredFileError(f"the file cannot be read: {error.strerror}") from error
    return os.fdopen(handle, "rb")


def _check(handle: int, root: Path, size: int | None) -> None:
    """Check the open file itself, so that nobody can exchange it afterwards."""
    place = Path(f"/proc/self/fd/{handle}").readlink()
    if not place.is_relative_to(root.resolve()):
        raise StoredFileError("a link leads out of the delivery tree")
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise StoredFileError("it is not a regular file")
    if found.st_size != size:
        raise StoredFileError("the file has another size than when it was stored")
