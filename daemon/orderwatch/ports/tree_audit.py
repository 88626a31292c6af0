"""A delivery tree, as verify, repair and rebuild use it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from orderwatch.ports.delivery_tree import Inspector


@dataclass(slots=True)
class WalkResult:
    """Sizes in bytes by path below the root, and errors by path."""

    files: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class TreeAudit(Inspector, Protocol):
    """A delivery tree to be compared with its records, and repaired. Raises `DiskError`."""

    async def absence(self) -> str | None:
        """Return why there is nothing at the root, None if there is anything."""
        ...

    async def read_sidecar(self, path: str) -> tuple[bytes | None, str | None]:
        """Return the content (None if missing or unreadable) and the error, if any."""
        ...

    async def walk(self, exclude: Collection[str]) -> WalkResult:
        """List every file except those in staging and below the paths `exclude`."""
        ...

    async def quarantine(self, path: str, reason: str) -> None:
        """Move the file at a path, if any, into quarantine, with the reason beside it."""
        ...

    async def write_sidecar(self, path: str, content: bytes, temporary: str) -> None:
        """Write a missing sidecar; `temporary` names it while it is not complete."""
        ...

    async def remove_partial(self, part: str) -> None:
        """Remove a partial that a crash left."""
        ...
