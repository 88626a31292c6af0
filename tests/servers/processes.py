"""Starts a server of others as a process of ours, and stops it."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.doors import free_port
from tests.patience import PATIENCE

_PROGRAM_FOLDERS = "/usr/local/sbin:/usr/sbin"  # which a user's PATH lacks
_STARTS = 3  # the free port may be taken by another process in between


class NoServerError(Exception):
    """The server is missing on this machine."""


def program(name: str) -> str:
    """Return the path of an installed program."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PROGRAM_FOLDERS}")
    if found is None:
        raise NoServerError(f"{name} is not installed")
    return found


@contextmanager
def public_folder() -> Iterator[Path]:
    """A temporary folder that servers without our rights can read too."""
    with tempfile.TemporaryDirectory(prefix="orderwatch-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def listening(command: Callable[[int], Sequence[str | Path]], folder: Path, **env: str) -> Iterator[int]:
    """Run `command(port)` in the folder until the block ends; return the port once it accepts connections."""
    for _ in range(_STARTS):
        port = free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command(port),
                cwd=folder,
                env={**os.environ, "HOME": str(folder), **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            if _accepts(port, process):
                yield port
                return
        finally:
            _stop(process)
    raise AssertionError((folder / "log").read_text(errors="replace")[-2000:])


def _accepts(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Return whether connections are accepted before the process ends."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process.poll() is None
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
