"""A fresh Debian in a folder, with nothing but Python."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.patience import PATIENCE

SUITE = re.compile(r"(?m)^VERSION_CODENAME=(\w+)$")
ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ORDERWATCH_DELIVERY__KEEP_FREE": "0",
}


def missing() -> str | None:
    """Why the package cannot be tried here."""
    absent = [name for name in ("debootstrap", "dpkg-deb", "unshare") if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return None if os.geteuid() == 0 else "only root may change the root directory"


class Debian:
    """A fresh Debian of this host's release in a folder."""

    def __init__(self, folder: Path, *packages: str) -> None:
        self.folder = folder
        self.environment: Mapping[str, str] = ENVIRONMENT
        release = Path("/etc/os-release").read_text(encoding="utf-8")
        suite = SUITE.findall(release)[0]
        included = f"--include={','.join(('python3', *packages))}"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", included, suite, folder],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if made.returncode:
            pytest.skip(f"debootstrap failed: {made.stdout.splitlines()[-1]}")

    def entering(self, *words: str) -> list[str]:
        """The command that runs these words inside, with mounts that nobody else sees."""
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, str(self.folder)]
        return [*enter, *words]

    def run(self, *words: str, secret: str = "", code: int = 0) -> str:
        done = subprocess.run(
            self.entering(*words),
            input=secret,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def dpkg(self, word: str, package: Path | str) -> str:
        if isinstance(package, Path):
            shutil.copy(package, self.folder / package.name)
            package = f"/{package.name}"
        return self.run("dpkg", word, package)

    def at(self, path: str) -> Path:
        return self.folder / path.removeprefix("/")


@contextmanager
def fresh(folder: Path, *packages: str) -> Iterator[Debian]:
    if reason := missing():
        pytest.skip(reason)
    try:
        yield Debian(folder, *packages)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
