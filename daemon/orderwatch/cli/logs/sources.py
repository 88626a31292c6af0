"""Where `log` reads: files, also rotated and compressed ones, and the journal."""

import gzip
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

import click

_POLL_SECONDS = 0.5
STDIN = Path("-")


def lines_of(files: Sequence[Path], *, follow: bool) -> Iterator[str]:
    """Yield the lines of the files in turn; with `follow`, also what is appended to the last one."""
    *first, last = files
    for path in first:
        yield from _whole(path)
    if follow and last != STDIN:
        yield from _followed(last)
    else:
        yield from _whole(last)


def journal_lines(unit: str, *, user: bool, since: datetime | None, follow: bool) -> Iterator[str]:
    """Yield the messages of a unit from the journal."""
    command = ["journalctl", "--no-pager", "--quiet", "-o", "cat", "-n", "all", "-u", unit]
    command += ["--user"] if user else []
    command += [f"--since=@{int(since.timestamp())}"] if since else []
    command += ["-f"] if follow else []
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and the unit is one argument
            command, stdout=subprocess.PIPE, text=True, errors="replace"
        )
    except FileNotFoundError:
        raise click.ClickException(
            "journalctl is not installed; name a file with the log, or - for standard input"
        ) from None
    with process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield from process.stdout
        finally:
            process.terminate()
    if process.returncode > 0:
        raise click.ClickException("journalctl failed; its own message is above")


def _whole(path: Path) -> Iterator[str]:
    if path == STDIN:
        yield from io.TextIOWrapper(sys.stdin.buffer, errors="replace")
        return
    try:
        with _opened(path) as file:
            yield from file
    except (OSError, EOFError) as error:
        raise _unreadable(path, error) from None


def _followed(path: Path) -> Iterator[str]:
    """Yield lines forever, from the new file after a rotation; a line is complete with its end."""
    rest = ""
    file = _open_to_follow(path)
    while True:
        rest += file.read()
        *complete, rest = rest.split("\n")
        yield from complete
        if not complete:
            if _is_replaced(path, file):
                file.close()
                file = _open_to_follow(path)
            time.sleep(_POLL_SECONDS)


def _open_to_follow(path: Path) -> IO[str]:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise _unreadable(path, error) from None


def _is_replaced(path: Path, file: IO[str]) -> bool:
    """Return whether the name leads to another file, or the file was emptied."""
    here = os.fstat(file.fileno())
    try:
        there = path.stat()
    except OSError:
        return False
    return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino) or there.st_size < file.tell()


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _unreadable(path: Path, error: Exception) -> click.ClickException:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "is cut off or damaged"
    return click.ClickException(f"{path}: {reason}")
