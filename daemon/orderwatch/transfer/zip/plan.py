"""Plans which files and folders a zip is extracted to: every member, or none."""

import re
import stat
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from orderwatch.errors import NotExtractedError
from orderwatch.transfer.zip.member import Member

_MAX_NAME_BYTES, _MAX_PATH_BYTES, _MAX_DEPTH = 255, 1000, 32  # depth in path components
_MAX_FOLDERS = 100_000
_MAX_LISTED = 5  # problems in a reason
_DRIVE = re.compile(r"[A-Za-z]:")
_BACKSLASH = "\\"
# Control characters, separators of lines and halves of characters; these categories are the same in every
# version of Unicode.
_UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_BIDIRECTIONAL_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_FILE_TYPES = {0, stat.S_IFREG, stat.S_IFIFO}  # what was zipped from a pipe has the mode of the pipe
_FOLDER_TYPES = {0, stat.S_IFDIR}


class ExtractPlan(NamedTuple):
    """Paths of files, and of the folders they need, parents first."""

    files: dict[str, Member]
    folders: dict[str, None]


def plan_extract(members: Sequence[Member]) -> ExtractPlan:
    """Return the paths of all members.

    Raises `NotExtractedError` with the members that are no plain files or folders, lead out of the folder or
    collide: a folder without them would look complete.
    """
    plan = ExtractPlan({}, {})
    problems = [problem for member in members if (problem := _add(plan, member))]
    if problems:
        more = len(problems) - _MAX_LISTED
        listed = "; ".join(problems[:_MAX_LISTED])
        raise NotExtractedError(f"{listed}; and {more} more members" if more > 0 else listed)
    return plan


def _add(plan: ExtractPlan, member: Member) -> str | None:
    """Add the path of a member and its folders to the plan, or return why not."""
    parts = [part for part in member.name.split("/") if part not in {"", "."}]
    is_folder = member.name.endswith("/")
    if problem := _name_problem(member.name, parts) or _kind_problem(member, is_folder=is_folder):
        return f"{member.name!r:.99} {problem}"
    path = "/".join(parts)
    folders = ["/".join(parts[:depth]) for depth in range(1, len(parts) + is_folder)]
    is_taken = not is_folder and (path in plan.files or path in plan.folders)
    if is_taken or not plan.files.keys().isdisjoint(folders):
        return f"{member.name!r:.99} collides with another member"
    plan.folders.update(dict.fromkeys(folders))
    if len(plan.folders) > _MAX_FOLDERS:
        raise NotExtractedError(f"the zip needs more than {_MAX_FOLDERS} folders")
    if not is_folder:
        plan.files[path] = member
    return None


def _name_problem(name: str, parts: Sequence[str]) -> str | None:
    has_name = parts or name.endswith("/")  # bsdtar adds "./", the folder itself
    has_drive = any(map(_DRIVE.match, parts[:1]))
    if not has_name or name.startswith("/") or has_drive or not all(map(_is_safe, parts)):
        return "is not a safe file name"
    longest = max((len(part.encode()) for part in parts), default=0)
    if longest > _MAX_NAME_BYTES or len(name.encode()) > _MAX_PATH_BYTES or len(parts) > _MAX_DEPTH:
        return "is too long a name"
    return None


def _is_safe(part: str) -> bool:
    """Reject `..`, the separator of other systems, and what changes the text around the name."""
    return part != ".." and _BACKSLASH not in part and not any(map(_is_control, part))


def _is_control(character: str) -> bool:
    return (
        unicodedata.category(character) in _UNSAFE_CATEGORIES
        or unicodedata.bidirectional(character) in _BIDIRECTIONAL_CONTROLS
    )


def _kind_problem(member: Member, *, is_folder: bool) -> str | None:
    """Reject links, devices and sockets by their mode."""
    expected = _FOLDER_TYPES if is_folder else _FILE_TYPES
    if stat.S_IFMT(member.mode) not in expected or (is_folder and member.size):
        return "is neither a regular file nor a folder"
    return None
