"""What the tests of file kinds share."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orderwatch.errors import BadBytesError
from orderwatch.transfer.kinds.bounded_file import BoundedFile

Check = Callable[[BoundedFile], None]
SAMPLES = Path(__file__).parent


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def run(check: Check, folder: Path, data: bytes, stop: threading.Event | None = None) -> None:
    (folder / "file").write_bytes(data)
    with (folder / "file").open("rb") as file:
        check(BoundedFile(file.fileno(), len(data), "file", stop or threading.Event()))


def refuse(check: Check, folder: Path, data: bytes, words: str = "incomplete|damaged") -> None:
    with pytest.raises(BadBytesError, match=words) as caught:
        run(check, folder, data)
    assert "\n" not in str(caught.value)


def refuse_every_cut(check: Check, folder: Path, data: bytes) -> None:
    """Refuse the file without its last byte, its last two, and so on."""
    (folder / "file").write_bytes(data)
    with (folder / "file").open("rb+") as file:
        for size in reversed(range(len(data))):
            file.truncate(size)
            with pytest.raises(BadBytesError):
                check(BoundedFile(file.fileno(), size, "file", threading.Event()))
