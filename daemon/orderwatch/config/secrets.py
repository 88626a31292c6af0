"""Secrets: literal, or fetched from "file:", "env:" or "credential:"."""

import contextlib
import os
import re
from pathlib import Path

from pydantic import SecretStr, ValidationInfo

_NAME = re.compile(r"[\w.-]+")
INDIRECT = ("file:", "env:", "credential:")
_REMEDY = "write only the secret into it"


class PointedSecret(SecretStr):
    """A secret fetched from a pointer, whose target may change.

    `folder` is the folder of the configuration file.
    """

    def __init__(self, found: str, pointer: str, folder: Path | None = None) -> None:
        super().__init__(found)
        self.pointer = pointer
        self.folder = folder


def current(secret: SecretStr) -> str:
    """Return the present secret; the last one known if it cannot be read any more."""
    if isinstance(secret, PointedSecret):
        with contextlib.suppress(ValueError):
            return _fetch(secret.pointer, secret.folder)
    return secret.get_secret_value()


def resolve(secret: SecretStr, info: ValidationInfo) -> SecretStr:
    """Fetch a secret if the caller needs it (`context["resolve"]`) and can read it.

    A credential that systemd did not pass is read from a file in `context["folder"]`.
    """
    text, context = secret.get_secret_value(), info.context or {}
    if not text:
        raise ValueError("is empty")
    if not context.get("resolve") or not text.startswith(INDIRECT):
        return secret
    if text.startswith("credential:") and not context.get("credentials", True):
        return secret
    folder = context.get("folder")
    return PointedSecret(_fetch(text, folder), text, folder)


def why_unreadable(error: OSError | UnicodeError) -> str:
    """Return why a file cannot be read, and the remedy if another user could read it."""
    if isinstance(error, UnicodeError):
        return "cannot be read: not text"
    if isinstance(error, PermissionError):
        return (
            f"cannot be read: {error.strerror}; run this as root or as the daemon's user (sudo -u orderwatch)"
        )
    return f"cannot be read: {error.strerror}"


def _fetch(pointer: str, folder: Path | None) -> str:
    kind, _, name = pointer.partition(":")
    if kind == "env":
        return _env(name)
    return _read(Path(name), pointer) if kind == "file" else _credential(name, folder)


def _env(name: str) -> str:
    if name not in os.environ:
        raise ValueError(f"env:{name} is not set")
    if not (found := os.environ[name].strip()):
        raise ValueError(f"env:{name} is empty")
    return found


def _credential(name: str, folder: Path | None) -> str:
    """Read the credential that systemd passed, else the file of that name beside the configuration."""
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise ValueError(f"credential:{name} is not a valid credential name")
    passed = Path(os.environ.get("CREDENTIALS_DIRECTORY") or "/nowhere", name)
    if folder is None or os.access(passed, os.F_OK):
        return _read(passed, f"credential:{name}")
    path = folder / name
    return _read(path, f"credential:{name}: {path}")


def _read(path: Path, shown: str) -> str:
    try:
        found = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise ValueError(f"{shown} {why_unreadable(error)}; {_REMEDY}") from error
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{shown} {why_unreadable(error)}") from error
    if not found:
        raise ValueError(f"{shown} is empty; {_REMEDY}")
    return found
