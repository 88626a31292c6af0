"""Secrets are written in the file, or fetched from where "file:", "env:" or "credential:" points."""

import os
import re
from pathlib import Path

from pydantic import SecretStr, ValidationInfo

_NAME = re.compile(r"[\w.-]+")
INDIRECT = ("file:", "env:", "credential:")


def resolve(secret: SecretStr, info: ValidationInfo) -> SecretStr:
    """The secret itself, where the caller is going to use it (`context["resolve"]`)."""
    text = secret.get_secret_value()
    if not text:
        raise ValueError("is empty")
    if not (info.context or {}).get("resolve") or not text.startswith(INDIRECT):
        return secret
    kind, _, name = text.partition(":")
    found = {"file": _file, "env": _env, "credential": _credential}[kind](name)
    if not found:
        raise ValueError(f"{text} is empty")
    return SecretStr(found)


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
