"""Where each member of a zip may stand below a folder of its own.

A name is taken as it is or not at all: the files of a delivery refer to each other by name.
"""

import re
import stat
from collections.abc import Sequence
from typing import NamedTuple

from orderwatch.core.layout import collision_key, is_reserved
from orderwatch.errors import NotExtractedError
from orderwatch.transfer.archive import Member

_LONGEST_NAME, _LONGEST_PATH, _DEEPEST = 255, 1000, 32  # bytes, bytes, components
_MOST_FOLDERS = 10_000
_DRIVE = re.compile(r"[A-Za-z]:")


class Places(NamedTuple):
    """Paths of files, and of the folders they need: each folder after the one it is in."""

    files: dict[str, Member]
    folders: list[str]


def places_of(members: Sequence[Member]) -> Places:
    """`NotExtractedError` where one is no plain file or folder, would lead out, or two would be one."""
    places = Places({}, [])
    taken: dict[str, str] = {}
    for member in members:
        parts, is_folder = _parts(member.name), member.name.endswith("/")
        _check_kind(member, is_folder=is_folder)
        for depth in range(1, len(parts) + is_folder):
            folder = "/".join(parts[:depth])
            if (key := collision_key(folder)) not in taken:
                places.folders.append(folder)
            if taken.setdefault(key, f"{folder}/") != f"{folder}/":
                raise NotExtractedError(f"{member.name!r:.99} would be one with another member")
        if len(places.folders) > _MOST_FOLDERS:
            raise NotExtractedError(f"more than {_MOST_FOLDERS} folders are more than we make")
        if not is_folder:
            path = "/".join(parts)
            if taken.setdefault(collision_key(path), path) != path or path in places.files:
                raise NotExtractedError(f"{member.name!r:.99} would be one with another member")
            places.files[path] = member
    return places


def _parts(name: str) -> list[str]:
    """The components of a path; dots and doubled slashes that mean nothing are left out."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts or name.startswith("/") or _DRIVE.match(parts[0]) or not all(map(_is_safe, parts)):
        raise NotExtractedError(f"{name!r:.99} is no name that we give to a file")
    longest = max(len(part.encode()) for part in parts)
    if longest > _LONGEST_NAME or len(name.encode()) > _LONGEST_PATH or len(parts) > _DEEPEST:
        raise NotExtractedError(f"{name!r:.99} is too long a name")
    return parts


def _is_safe(part: str) -> bool:
    """No '..', nothing that some system takes for a separator or leaves out, nothing that is a device."""
    return part.isprintable() and "\\" not in part and part == part.rstrip(". ") and not is_reserved(part)


def _check_kind(member: Member, *, is_folder: bool) -> None:
    """Links, devices, pipes and sockets are told by their mode, on whatever system the zip was made."""
    expected = stat.S_IFDIR if is_folder else stat.S_IFREG
    if stat.S_IFMT(member.mode) not in {0, expected} or (is_folder and member.size):
        raise NotExtractedError(f"{member.name!r:.99} is neither a plain file nor a folder")
