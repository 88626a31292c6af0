"""Reads a stored file piece by piece, and proves it by its checksum when all of it is read. Blocking."""

import hashlib
from typing import BinaryIO

from orderwatch.core.model import Delivery
from orderwatch.errors import StoredFileError
from orderwatch.web.files.byte_range import ByteRange

_PIECE_BYTES = 256 * 1024


class Reader:
    """Reads these bytes of a delivery's open file. `left` counts those still to be read."""

    def __init__(self, file: BinaryIO, delivery: Delivery, wanted: ByteRange) -> None:
        self.left = wanted.stop - wanted.start
        self._file = file
        self._sha256 = delivery.sha256
        self._digest = hashlib.sha256() if self.left == delivery.size else None
        file.seek(wanted.start)

    def read(self) -> bytes:
        """Returns the next piece, empty at the end; `StoredFileError` instead of the last of wrong bytes."""
        size = min(_PIECE_BYTES, self.left)
        try:
            piece = self._file.read(size)
        except OSError as error:
            raise StoredFileError(f"the file cannot be read: {error.strerror}") from error
        if len(piece) < size:
            raise StoredFileError("the file is shorter than when it was stored")
        self.left -= size
        if self._digest is not None:
            self._digest.update(piece)
            if not self.left and self._digest.hexdigest() != self._sha256:
                raise StoredFileError("the file is not the one that was stored")
        return piece
