"""Installs orderwatch as a systemd service and removes it; prints one line per step."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from orderwatch.app.install.unit_files import Piece, Place, pieces
from orderwatch.config.schema import SCHEMA_NAME
from orderwatch.errors import OrderwatchError

Say = Callable[[str], None]
_SERVICE = "orderwatch.service"
_SYSTEMCTL_TIMEOUT_SECONDS = 60


class Installer:
    """With `root`, installs into that directory without touching the running system."""

    def __init__(self, place: Place, say: Say, root: Path | None = None) -> None:
        self._place = place
        self._say = say
        self._root = root

    def install(self) -> None:
        """Write missing files and update those that were not changed since they were written."""
        receipt = self._receipt()
        with _translated():
            for piece in pieces(self._place):
                with self._forgiven(piece):
                    self._put(piece, receipt)
            self._write(Piece(path=self._place.receipt, text=json.dumps(receipt, indent=1)))
        if self._place.home is None:
            self._call("systemd-sysusers", *self._rooted(), "orderwatch.conf")
            self._call("systemd-tmpfiles", *self._rooted(), "--create", "orderwatch.conf")
        with _translated():
            self._make_folders()
        self._systemctl("daemon-reload")

    def uninstall(self) -> None:
        """Remove the files that `install` wrote, unless they were changed; keep configuration and state."""
        receipt = self._receipt()
        if not receipt:
            self._say("orderwatch install has not written anything here")
            return
        if self._at(self._place.units / _SERVICE).exists():
            self._systemctl("disable", "--now", _SERVICE)
        with _translated():
            for name, digest in receipt.items():
                self._remove(Path(name), digest)
            with contextlib.suppress(OSError):  # the operator's own drop-ins stay, with their folder
                self._at(self._place.units / f"{_SERVICE}.d").rmdir()
            self._at(self._place.receipt).unlink()
        self._systemctl("daemon-reload")
        for kept in (self._place.configuration, self._place.state):
            if self._at(kept).exists():
                self._say(f"kept: {kept}")

    def _put(self, piece: Piece, receipt: dict[str, str]) -> None:
        path = self._at(piece.path)
        digest, name = _digest(piece.text.encode()), str(piece.path)
        found = _digest_of(path)
        if found is not None and piece.theirs:
            self._say(f"already there: {piece.path}")
            return
        if found not in {None, digest} and name not in receipt:
            self._say(f"kept: {piece.path} was not written by orderwatch; move it away, then install again")
            return
        if found not in {None, digest, receipt.get(name)}:
            self._say(f"kept: {piece.path} was changed; compare it with: orderwatch install --print")
            return
        if found != digest:
            self._write(piece)
        self._say(f"{'already there' if found == digest else 'written'}: {piece.path}")
        if not piece.theirs:
            receipt[name] = digest

    @contextlib.contextmanager
    def _forgiven(self, piece: Piece) -> Iterator[None]:
        """Continue without an optional file if it cannot be written."""
        try:
            yield
        except OSError as error:
            if not piece.optional:
                raise
            self._say(f"not done: cannot write {piece.path}: {error.strerror}")

    def _write(self, piece: Piece) -> None:
        """Write a file atomically, with its final mode from the beginning."""
        path = self._at(piece.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        aside.unlink(missing_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, piece.mode), "wb") as file:  # noqa: PTH123 - by descriptor
            os.fchmod(file.fileno(), piece.mode)
            file.write(piece.text.encode())
        aside.replace(path)

    def _remove(self, written: Path, digest: str) -> None:
        path = self._at(written)
        if (found := _digest_of(path)) is None:
            return
        if found != digest:
            self._say(f"kept: {written} was changed after it was written")
            return
        path.unlink()
        self._say(f"removed: {written}")

    def _make_folders(self) -> None:
        """Create the folders that systemd does not create; existing ones keep owner and mode."""
        if self._place.home is not None:
            self._folder(self._place.configuration, mode=0o700)
            self._folder(self._place.state, mode=0o700)
        if self._place.deliveries is not None:
            self._folder(self._place.deliveries, mode=0o750)

    def _folder(self, folder: Path, mode: int) -> None:
        path = self._at(folder)
        if path.exists():
            self._say(f"already there: {folder}")
            return
        path.mkdir(parents=True)
        path.chmod(mode)
        self._say(f"created: {folder}")
        if self._place.home is None and self._root is None:
            try:
                shutil.chown(path, "orderwatch", "orderwatch")
            except (LookupError, OSError):
                self._say(
                    f"not done: {folder} must belong to the user orderwatch: chown orderwatch: {folder}"
                )

    def _systemctl(self, *arguments: str) -> None:
        if self._root is not None:
            self._say(f"skipped, it would change the running system: systemctl {arguments[0]}")
        elif self._place.home is None:
            self._call("systemctl", *arguments)
        else:
            self._call("systemctl", "--user", *arguments)

    def _call(self, *command: str) -> None:
        """Run a systemd command. A failure is only reported: the files are written."""
        shown = " ".join(command)
        try:
            done = subprocess.run(  # noqa: S603 - no argument comes from outside
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SYSTEMCTL_TIMEOUT_SECONDS,
            )
        except FileNotFoundError:
            self._say(f"not done, command not found: {shown}")
        except (OSError, subprocess.TimeoutExpired):
            self._say(f"not done, it cannot be run or timed out: {shown}")
        else:
            lines = [*done.stderr.split("\n"), *done.stdout.split("\n")]
            reason = next((line.strip() for line in lines if line.strip()), f"exit {done.returncode}")
            self._say(f"not done: {shown}: {reason}" if done.returncode else f"done: {shown}")

    def _rooted(self) -> list[str]:
        return [f"--root={self._root}"] if self._root else []

    def _receipt(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._at(self._place.receipt).read_bytes())
        except (OSError, ValueError):
            return {}
        return found

    def _at(self, path: Path) -> Path:
        return self._root / path.relative_to("/") if self._root else path


def shown(place: Place) -> Iterator[str]:
    """Yield what `install` would write, as text."""
    for piece in pieces(place):
        if piece.path.name == SCHEMA_NAME:
            yield f"# --- {piece.path}: the output of `orderwatch schema`\n"
        elif piece.text:
            yield f"# --- {piece.path} (mode {piece.mode:04o})\n{piece.text}"


def systemd_version() -> int:
    """Return the version of systemd, 0 if it is not installed."""
    try:
        command = ["systemctl", "--version"]
        output = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - fixed
        return int(output.split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    """Return the digest of a file, None if nothing is there, "" for a link or folder."""
    if path.is_symlink() or path.is_dir():
        return ""
    return _digest(path.read_bytes()) if path.exists() else None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OrderwatchError(f"{error.filename}: {error.strerror}; the steps done so far remain") from error
