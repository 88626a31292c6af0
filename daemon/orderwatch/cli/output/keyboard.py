"""Reads the keys and signals that end or resize a live view."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)  # Ctrl-C, …, Ctrl-\
_END_KEYS = b"qQ\x04"  # and Ctrl-D


class Keyboard:
    """`ended` is set once the user quits."""

    def __init__(self) -> None:
        self.ended = False
        self._woken = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds, or until the user does something."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    def end(self) -> None:
        self.ended = True
        self.wake()

    def wake(self) -> None:
        self._woken.set()

    def read(self, file: int) -> None:
        typed = b""
        with suppress(OSError):  # the window was closed
            typed = os.read(file, 1024)
        if not typed or any(key in _END_KEYS for key in typed):
            self.end()


@contextmanager
def listening() -> Iterator[Keyboard]:
    """Read keys within a loop; signals end the view too, and the terminal is restored."""
    loop, keys = asyncio.get_running_loop(), Keyboard()
    handlers = {**dict.fromkeys(_END_SIGNALS, keys.end), signal.SIGWINCH: keys.wake}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        if sys.stdin.isatty():
            with _typed(loop, keys, sys.stdin.fileno()):
                yield keys
        else:
            yield keys
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


@contextmanager
def _typed(loop: asyncio.AbstractEventLoop, keys: Keyboard, file: int) -> Iterator[None]:
    """Read each key at once, without echo. Ctrl-Z is disabled: it would leave the terminal in this mode."""
    former = termios.tcgetattr(file)
    try:
        tty.setcbreak(file)
        ours = termios.tcgetattr(file)
        ours[6][termios.VSUSP] = b"\0"
        termios.tcsetattr(file, termios.TCSADRAIN, ours)
        loop.add_reader(file, keys.read, file)
        yield
    finally:
        loop.remove_reader(file)
        termios.tcsetattr(file, termios.TCSADRAIN, former)
