"""Parses file modes and owners."""

import grp
import pwd
import re

from pydantic import ValidationInfo

_OCTAL = re.compile(r"[0-7]{3,4}")
_OWNER_READ, _OWNER_ALL = 0o400, 0o700  # needed by the daemon


def file_mode(text: object) -> int | None:
    """Read "0640"; "" is None."""
    return _mode(text, 0o777, _OWNER_READ, 'an octal mode readable by the owner, e.g. "0640"')


def folder_mode(text: object) -> int | None:
    """Read "0750" or, with a set-group-ID bit, "2770"; "" is None."""
    return _mode(text, 0o7777, _OWNER_ALL, 'an octal mode with all rights for the owner, e.g. "0750"')


def known_owner(text: str, info: ValidationInfo) -> str:
    """Validate user, user:group or :group; with `resolve` they must exist."""
    if (info.context or {}).get("resolve"):
        owner_ids(text)
    return text


def owner_ids(text: str) -> tuple[int, int]:
    """Return the IDs of user and group, -1 if not given. Raises `ValueError` for unknown names."""
    user, _, group = text.partition(":")
    try:
        uid = pwd.getpwnam(user).pw_uid if user else -1
        gid = grp.getgrnam(group).gr_gid if group else -1
    except KeyError as error:
        raise ValueError(f"unknown user or group: {error.args[0]}") from None
    return uid, gid


def _mode(text: object, most: int, least: int, wanted: str) -> int | None:
    if text == "" or text is None:
        return None
    mode = int(text, 8) if isinstance(text, str) and _OCTAL.fullmatch(text) else -1
    if not 0 <= mode <= most or mode & least != least:
        raise ValueError(f"expected {wanted}")
    return mode
