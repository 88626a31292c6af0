"""A disk that loses power: an ext4 image whose unwritten pages and journal are forgotten. Needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_GOING_DOWN, _WITHOUT_FLUSH = 0x8004587D, 2
_BYTES = 48 * 2**20
_COMMIT = 3600  # seconds: the journal is written when somebody syncs, and at no other time


@dataclass(frozen=True, slots=True)
class Disk:
    image: Path
    mount: Path

    def cut(self) -> None:
        """Lose everything that was not made durable, and come back."""
        folder = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _GOING_DOWN, struct.pack("I", _WITHOUT_FLUSH))
        finally:
            os.close(folder)
        self.unmount()
        self.turn_on()

    def commit(self) -> None:
        """Somebody else's sync: every name so far is durable, and no byte that waits to be written."""
        other = self.mount / "other"
        with other.open("wb") as file:
            os.fsync(file.fileno())
        other.unlink()

    def settle(self) -> None:
        """Make everything durable."""
        _do("sync", "--file-system", str(self.mount))

    def turn_on(self) -> None:
        _do("mount", "-o", f"loop,commit={_COMMIT}", str(self.image), str(self.mount))

    def unmount(self) -> None:
        _do("umount", str(self.mount))


def missing() -> str | None:
    """Why no disk can be made here; None where it can."""
    if os.geteuid() != 0:
        return "only root can mount a disk to cut its power"
    lacking = [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]
    return f"no {', '.join(lacking)}" if lacking else None


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """A new disk that goes with its loop device, whatever happens. `CalledProcessError` where that fails."""
    made = Disk(folder / "disk.img", folder / "disk")
    made.mount.mkdir()
    with made.image.open("wb") as image:
        image.truncate(_BYTES)
    _do("mkfs.ext4", "-q", str(made.image))
    made.turn_on()
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", str(made.mount)], check=False, capture_output=True)
        made.image.unlink()


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
