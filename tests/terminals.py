"""What a terminal shows."""

import contextlib
import os


def shown_on(ours: int) -> str:
    """Everything that is written to the other end, until nobody has it open any more."""
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)
    return shown.decode()
