"""What the tests need of a server."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.servers.processes import listening, public_folder


class Server(Protocol):
    """Serves files on a port of this machine."""

    @property
    def port(self) -> int: ...

    def put(self, name: str, data: bytes, modified: float) -> None:
        """Replace the file at once; `modified` is its date in Unix seconds, if one can be set."""

    def path(self, name: str) -> str:
        """Return the path and query of the link to the file."""


@dataclass(frozen=True)
class FolderServer:
    """Serves the files of a folder."""

    port: int
    folder: Path

    def put(self, name: str, data: bytes, modified: float) -> None:
        new = self.folder.parent / f"{name}.new"
        new.write_bytes(data)
        os.utime(new, (modified, modified))
        new.chmod(0o644)
        new.replace(self.folder / name)

    def path(self, name: str) -> str:
        return f"/{name}"


@contextmanager
def serving_folder(command: Callable[[int, Path], Sequence[str | Path]]) -> Iterator[Server]:
    """Run `command(port, folder of files)`."""
    with public_folder() as folder:
        files = folder / "files"
        files.mkdir()
        with listening(lambda port: command(port, files), folder) as port:
            yield FolderServer(port, files)
