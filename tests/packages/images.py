"""Builders of images: buildah, which needs neither a daemon nor a runtime, or podman or docker."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from tests.packages.debian import fresh
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
CERTIFICATES = os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt")
_IMAGE = "localhost/orderwatch-test"


class Container(Protocol):
    def run(self, *words: str) -> str:
        """What one of our commands prints in a container of the image."""
        ...


def _call(*words: str | Path, code: int | None = 0, **environment: str) -> str:
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    if code is not None:
        assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if done.returncode == 0 else ""


class Buildah:
    """Keeps everything in a folder; a base image that cannot be fetched is made by debootstrap."""

    def __init__(self, folder: Path, base: str) -> None:
        self._folder = folder
        if not self._call("pull", "--quiet", base, code=None):
            base = self._debian()
        build = ["build", "--format", "docker", "--pull-never", "--build-arg", f"PYTHON={base}"]
        self._call(*build, "--file", "Containerfile", "--tag", _IMAGE, ".")
        self._container = self._call("from", "--pull-never", _IMAGE).strip()

    def run(self, *words: str) -> str:
        return self._call("run", self._container, "--", *words)

    def _debian(self) -> str:
        packages = ("python3-venv", "python-is-python3", "ca-certificates")
        with fresh(self._folder / "debian", *packages) as debian:
            shutil.copy(CERTIFICATES, debian.at("/etc/ssl/certs/ca-certificates.crt"))
            container = self._call("from", "scratch").strip()
            self._call("add", "--quiet", container, str(debian.folder), "/")
        self._call("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", container)
        self._call("commit", "--quiet", container, "localhost/base")
        return "localhost/base"

    def _call(self, *words: str, code: int | None = 0) -> str:
        places: list[str | Path] = ["--root", self._folder / "images", "--runroot", self._folder / "run"]
        return _call("buildah", *places, *words, code=code, STORAGE_DRIVER="vfs", BUILDAH_ISOLATION="chroot")


class Engine:
    """podman, or docker with its server."""

    def __init__(self, name: str, base: str) -> None:
        self._name = name
        if not _call(name, "pull", "--quiet", base, code=None):
            pytest.skip(f"{base} cannot be fetched here")
        kind = ["--format", "docker"] if name == "podman" else []
        _call(name, "build", *kind, "--file", "Containerfile", "--tag", _IMAGE, ".")

    def run(self, *words: str) -> str:
        rights = ["--read-only", "--tmpfs", "/tmp", "--cap-drop=ALL"]  # noqa: S108 - in the container
        return _call(self._name, "run", "--rm", *rights, "--entrypoint", words[0], _IMAGE, *words[1:])

    def remove(self) -> None:
        _call(self._name, "rmi", "--force", _IMAGE, code=None)


@contextmanager
def built(folder: Path, base: str) -> Iterator[Container]:
    if shutil.which("buildah") and os.geteuid() == 0:
        yield Buildah(folder, base)
        return
    for name in ("podman", "docker"):
        if shutil.which(name) and _call(name, "info", code=None):  # a client alone builds nothing
            engine = Engine(name, base)
            try:
                yield engine
            finally:
                engine.remove()
            return
    pytest.skip("no builder of images works here")
