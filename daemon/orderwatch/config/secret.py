"""Secrets are written in the file, or fetched from where "file:", "env:" or "credential:" points."""

import contextlib
import os
import re
from pathlib import Path

from pydantic import SecretStr, ValidationInfo

_NAME = re.compile(r"[\w.-]+")
INDIRECT = ("file:", "env:", "credential:")


class PointedSecret(SecretStr):
    """A secret that stands elsewhere, where another one may stand tomorrow."""

    def __init__(self, found: str, pointer: str) -> None:
        super().__init__(found)
        self.pointer = pointer


def current(secret: SecretStr) -> str:
    """The secret as it is now; what cannot be read any more is as it was."""
    if isinstance(secret, PointedSecret):
        with contextlib.suppress(ValueError):
            return _fetch(secret.pointer) or secret.get_secret_value()
    return secret.get_secret_value()


def resolve(secret: SecretStr, info: ValidationInfo) -> SecretStr:
    """The secret itself, where the caller is going to use it (`context["resolve"]`) and can read it."""
    text, context = secret.get_secret_value(), info.context or {}
    if not text:
        raise ValueError("is empty")
    if not context.get("resolve") or not text.startswith(INDIRECT):
        return secret
    if text.startswith("credential:") and not context.get("credentials", True):
        return secret
    found = _fetch(text)
    if not found:
        raise ValueError(f"{text} is empty")
    return PointedSecret(found, text)


def _fetch(pointer: str) -> str:
    kind, _, name = pointer.partition(":")
    return {"file": _file, "env": _env, "credential": _credential}[kind](name)


def _file(name: str) -> str:
    return _read(Path(name), f"file:{name}")


def _env(name: str) -> str:
    if name not in os.environ:
        raise ValueError(f"env:{name} is not set")
    return os.environ[name].strip()


def _credential(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ValueError(
            f"credential:{name} needs systemd's LoadCredential= ($CREDENTIALS_DIRECTORY is not set)"
        )
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise ValueError(f"credential:{name} is not a credential's name")
    return _read(Path(folder, name), f"credential:{name}")


def _read(path: Path, shown: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"{shown} cannot be read: {reason}") from error
