"""Writes a first configuration with its secret and schema: all or none, and never over another file."""

import grp
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderwatch.config.schema import SCHEMA_NAME, schema_text
from orderwatch.config.starter import SECRET_FILE
from orderwatch.errors import ConfigError, OrderwatchError
from orderwatch.fsync import sync
from orderwatch.transfer.write_probe import nearest_existing, try_unnamed

_PRIVATE, _FOR_THE_GROUP = 0o600, 0o640
_SERVICE_GROUP = "orderwatch"


def demand_absent(path: Path) -> None:
    """Raise `ConfigError` if there is a configuration already, or another secret beside it."""
    if os.path.lexists(path):
        advice = "edit it, or move it away and run this again"
        raise ConfigError([f"{path} exists already and is never overwritten; {advice}"])
    secret = path.with_name(SECRET_FILE)
    if os.path.lexists(secret) and (not secret.is_file() or secret.stat().st_size):
        raise ConfigError([f"{secret} exists already and is never overwritten; move it away"])


def demand_writable(path: Path) -> None:
    """Raise `OrderwatchError` if the file cannot be created."""
    try:
        try_unnamed(nearest_existing(path.parent))
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OrderwatchError:
    advice = "run this as root, or choose another file with --output"
    return OrderwatchError(f"cannot write {path}: {error.strerror}; {advice}")


@contextmanager
def written(path: Path, text: str, secret: str) -> Iterator[None]:
    """Write the configuration last; remove all again if the caller does not accept it."""
    demand_absent(path)
    made: list[Path] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(SECRET_FILE).unlink(missing_ok=True)  # an empty one
        files = {path.with_name(SECRET_FILE): f"{secret}\n", path: text}
        if not path.with_name(SCHEMA_NAME).exists():
            files = {path.with_name(SCHEMA_NAME): schema_text()} | files
        for target, content in files.items():
            _create(target, content)
            made.append(target)
        sync(path.parent)
        yield
    except BaseException as error:
        for target in made:
            target.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _create(path: Path, content: str) -> None:
    """Create a file with its whole content. Raises `FileExistsError`."""
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:  # noqa: PTH123 - by descriptor
            _share_with_the_service(file.fileno(), path.parent)
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _share_with_the_service(file: int, folder: Path) -> None:
    """Let the service read the file if root shares the folder with it, as with /etc/orderwatch."""
    found = folder.stat()
    try:
        is_shared = os.geteuid() == found.st_uid == 0 and grp.getgrgid(found.st_gid).gr_name == _SERVICE_GROUP
    except KeyError:
        return
    if is_shared:
        os.fchown(file, 0, found.st_gid)
        os.fchmod(file, _FOR_THE_GROUP)
