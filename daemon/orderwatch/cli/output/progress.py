"""Progress of long work on stderr: a bar on a terminal, else a line once a minute."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orderwatch.core.formatting import format_bytes

if TYPE_CHECKING:
    from rich.progress import Progress

_PLAIN_INTERVAL_SECONDS = 60.0


class Bar:
    """Shows files, bytes, rate and remaining time as a bar."""

    def __init__(self, progress: "Progress", doing: str = "reading") -> None:
        self._progress = progress
        self._doing = doing
        self._files = self._done = 0
        self._task = progress.add_task(doing, total=None)

    def begin(self, files: int, size: int) -> None:
        self._files = files
        self._progress.update(self._task, description=self._description(), total=size)

    def read(self, size: int) -> None:
        self._progress.advance(self._task, size)

    def file(self) -> None:
        self._done += 1
        self._progress.update(self._task, description=self._description())

    def _description(self) -> str:
        return f"{self._doing} {self._done} of {self._files} files"


class Lines:
    """Prints progress for a log or a mail; silent if the work is short."""

    def __init__(
        self,
        print_line: Callable[[str], None] = lambda line: click.echo(line, err=True),
        clock: Callable[[], float] = time.monotonic,
        done: str = "read",
    ) -> None:
        self._print = print_line
        self._what = done
        self._clock = clock
        self._printed_at = clock()
        self._files = self._size = self._done = self._read = 0

    def begin(self, files: int, size: int) -> None:
        self._files, self._size = files, size

    def read(self, size: int) -> None:
        self._read += size
        now = self._clock()
        if now - self._printed_at >= _PLAIN_INTERVAL_SECONDS:
            self._printed_at = now
            files = f"{self._done} of {self._files} files"
            self._print(
                f"orderwatch: {self._what} {files}, {format_bytes(self._read)} of {format_bytes(self._size)}"
            )

    def file(self) -> None:
        self._done += 1


@contextmanager
def shown(doing: str = "reading", done: str = "read", *, plain: bool = False) -> Iterator[Bar | Lines]:
    """Show progress until the context ends; with `plain`, no bar on a terminal either."""
    from rich.console import Console
    from rich.progress import (
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
