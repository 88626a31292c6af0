"""Putting orderwatch under systemd, and taking it away again. Every step is said in one line."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from orderwatch.app.install.unit_files import Piece, Place, pieces
from orderwatch.errors import OrderwatchError

Say = Callable[[str], None]
_SERVICE = "orderwatch.service"
_UNTIL = 60  # seconds that one of systemd's commands may take


class Installer:
    """`root` stands for / where it is given, as systemd's own `--root=`: the running system is left alone."""

    def __init__(self, place: Place, say: Say, root: Path | None = None) -> None:
        self._place = place
        self._say = say
        self._root = root

    def install(self) -> None:
        """Write what is not there yet, and bring what is unchanged since up to date."""
        receipt = self._receipt()
        with _told():
            for piece in pieces(self._place):
                with self._forgiven(piece):
                    self._put(piece, receipt)
            self._write(Piece(path=self._place.receipt, text=json.dumps(receipt, indent=1)))
        if self._place.home is None:
            self._call("systemd-sysusers", *self._rooted(), "orderwatch.conf")
            self._call("systemd-tmpfiles", *self._rooted(), "--create", "orderwatch.conf")
        with _told():
            self._make_folders()
        self._systemctl("daemon-reload")

    def uninstall(self) -> None:
        """Remove what was written and is as it was written; nothing of the operator's."""
        receipt = self._receipt()
        if not receipt:
            self._say("there is nothing that `orderwatch install` wrote")
            return
        if self._at(self._place.units / _SERVICE).exists():
            self._systemctl("disable", "--now", _SERVICE)
        with _told():
            for name, digest in receipt.items():
                self._remove(Path(name), digest)
            with contextlib.suppress(OSError):  # a drop-in of the operator's stays, and its folder
                self._at(self._place.units / f"{_SERVICE}.d").rmdir()
            self._at(self._place.receipt).unlink()
        self._systemctl("daemon-reload")
        for kept in (self._place.configuration, self._place.state):
            if self._at(kept).exists():
                self._say(f"kept: {kept}")

    def _put(self, piece: Piece, receipt: dict[str, str]) -> None:
        path = self._at(piece.path)
        wanted, name = _digest(piece.text.encode()), str(piece.path)
        found = _digest_of(path)
        if found is not None and piece.theirs:
            self._say(f"there already: {piece.path}")
            return
        if found not in {None, wanted} and name not in receipt:
            self._say(f"kept: {piece.path} is not from here; move it away, then install again")
            return
        if found not in {None, wanted, receipt.get(name)}:
            self._say(
                f"kept: {piece.path} is not as it was written; compare it with: orderwatch install --print"
            )
            return
        if found != wanted:
            self._write(piece)
        self._say(f"{'there already' if found == wanted else 'written'}: {piece.path}")
        if not piece.theirs:
            receipt[name] = wanted

    @contextlib.contextmanager
    def _forgiven(self, piece: Piece) -> Iterator[None]:
        """Go on without an optional file where it cannot be written."""
        try:
            yield
        except OSError as error:
            if not piece.optional:
                raise
            self._say(f"not done: {piece.path} cannot be written: {error.strerror}")

    def _write(self, piece: Piece) -> None:
        """Whole or not at all; never for a moment with more rights than it will have."""
        path = self._at(piece.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        aside.unlink(missing_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, piece.mode), "wb") as file:  # noqa: PTH123 - by number
            os.fchmod(file.fileno(), piece.mode)
            file.write(piece.text.encode())
        aside.replace(path)

    def _remove(self, written: Path, digest: str) -> None:
        path = self._at(written)
        if (found := _digest_of(path)) is None:
            return
        if found != digest:
            self._say(f"kept: {written} was changed since it was written")
            return
        path.unlink()
        self._say(f"removed: {written}")

    def _make_folders(self) -> None:
        """Those that systemd does not make; what is there keeps its owner and mode."""
        if self._place.home is not None:
            self._folder(self._place.configuration, mode=0o700)
            self._folder(self._place.state, mode=0o700)
        if self._place.deliveries is not None:
            self._folder(self._place.deliveries, mode=0o750)

    def _folder(self, wanted: Path, mode: int) -> None:
        path = self._at(wanted)
        if path.exists():
            self._say(f"there already: {wanted}")
            return
        path.mkdir(parents=True)
        path.chmod(mode)
        self._say(f"made: {wanted}")
        if self._place.home is None and self._root is None:
            try:
                shutil.chown(path, "orderwatch", "orderwatch")
            except (LookupError, OSError):
                self._say(
                    f"not done: {wanted} has to be given to the user orderwatch: chown orderwatch: {wanted}"
                )

    def _systemctl(self, *arguments: str) -> None:
        if self._root is not None:
            self._say(f"left out, for it would concern the running system: systemctl {arguments[0]}")
        elif self._place.home is None:
            self._call("systemctl", *arguments)
        else:
            self._call("systemctl", "--user", *arguments)

    def _call(self, *command: str) -> None:
        """A command of systemd's. One that fails or is not there is said, no more: the files are written."""
        shown = " ".join(command)
        try:
            done = subprocess.run(  # noqa: S603 - no word of it comes from outside
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_UNTIL
            )
        except FileNotFoundError:
            self._say(f"not done, the command is not here: {shown}")
        except (OSError, subprocess.TimeoutExpired):
            self._say(f"not done, it cannot be called or does not end: {shown}")
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
    """What `install` would write, as text."""
    for piece in pieces(place):
        if piece.text:
            yield f"# --- {piece.path} (mode {piece.mode:04o})\n{piece.text}"


def systemd_version() -> int:
    """0 where there is no systemd."""
    try:
        told = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S607 - wherever it is
        return int(told.split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    """None where there is nothing, not even a link that leads nowhere; "" for what is no file of ours."""
    if path.is_symlink() or path.is_dir():
        return ""
    return _digest(path.read_bytes()) if path.exists() else None


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OrderwatchError(f"{error.filename}: {error.strerror}; what was done so far stays") from error
