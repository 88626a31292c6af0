"""What a terminal shows."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence


def shown_on(ours: int) -> str:
    """Everything that is written to the other end, until nobody has it open any more."""
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)
    return shown.decode()


class Window:
    """One of our commands on a terminal of its own; `program` is what runs its words."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        program: Sequence[str] = (sys.executable, "-m", "orderwatch"),
    ) -> None:
        prefixes = ("ORDERWATCH_", "FORCE_", "NO_", "TTY_", "COLUMNS", "LINES")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
        self._ours, self._theirs = pty.openpty()
        self.resize(24, 100)
        self._former = termios.tcgetattr(self._theirs)
        self._shown = ""
        self.process = subprocess.Popen(
            [*program, *words],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**kept, "TERM": "xterm-256color", **environment},
        )

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def until(self, text: str) -> str:
        """What was shown since the last call, once this is."""
        while text not in self._shown:
            assert select.select([self._ours], [], [], 20)[0], f"{text!r} is not shown: {self._shown}"
            self._shown += os.read(self._ours, 65_536).decode(errors="replace")
        found, self._shown = self._shown, ""
        return found

    def end(self) -> tuple[int, str]:
        """Its exit code, and what it showed last; the terminal is as it was."""
        code = self.process.wait(60)
        assert termios.tcgetattr(self._theirs) == self._former
        os.close(self._theirs)
        return code, self._shown + shown_on(self._ours)
