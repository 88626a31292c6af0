"""How far a long work is: a bar on a terminal, a line now and then elsewhere. On stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orderwatch.core.formatting import format_bytes

if TYPE_CHECKING:
    from rich.progress import Progress

_SELDOM = 60.0  # seconds


class Bar:
    """Files, bytes, rate and what is left."""

    def __init__(self, progress: "Progress", doing: str = "reading") -> None:
        self._progress = progress
        self._doing = doing
        self._files = self._done = 0
        self._task = progress.add_task(doing, total=None)

    def begin(self, files: int, size: int) -> None:
        self._files = files
        self._progress.update(self._task, description=self._told(), total=size)

    def read(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def file(self) -> None:
        self._done += 1
        self._progress.update(self._task, description=self._told())

    def _told(self) -> str:
        return f"{self._doing} {self._done} of {self._files} files"


class Lines:
    """For a log or a mail: silent where the reading is short."""

    def __init__(
        self,
        say: Callable[[str], None] = lambda line: click.echo(line, err=True),
        clock: Callable[[], float] = time.monotonic,
        done: str = "read",
    ) -> None:
        self._say = say
        self._what = done
        self._clock = clock
        self._said_at = clock()
        self._files = self._size = self._done = self._read = 0

    def begin(self, files: int, size: int) -> None:
        self._files, self._size = files, size

    def read(self, size: int) -> None:
        self._read += size
        now = self._clock()
        if now - self._said_at >= _SELDOM:
            self._said_at = now
            files = f"{self._done} of {self._files} files"
            self._say(
                f"orderwatch: {self._what} {files}, {format_bytes(self._read)} of {format_bytes(self._size)}"
            )

    def file(self) -> None:
        self._done += 1


@contextmanager
def shown(doing: str = "reading", done: str = "read", *, plain: bool = False) -> Iterator[Bar | Lines]:
    """`plain` is no bar on a terminal either."""
    from rich.console import Console  # noqa: PLC0415 - rich is loaded only where it prints
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    screen = Console(stderr=True)
    if plain or not screen.is_terminal:
        yield Lines(done=done)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as progress:
        yield Bar(progress, doing)
