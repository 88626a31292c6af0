"""Modes and owner of what we make, where they are other than by the umask. Blocking."""

import os
import stat
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """None and -1 leave it as it was made."""

    file_mode: int | None = None
    folder_mode: int | None = None
    uid: int = -1
    gid: int = -1

    def give(self, handle: int) -> None:
        """To an open file or folder; the caller makes it durable."""
        mode = self.folder_mode if stat.S_ISDIR(os.fstat(handle).st_mode) else self.file_mode
        if (self.uid, self.gid) != (-1, -1):
            os.fchown(handle, self.uid, self.gid)  # first: it takes special bits of the mode away
        if mode is not None:
            os.fchmod(handle, mode)


USUAL = Rights()
