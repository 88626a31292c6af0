"""Downloads and delivery trees, as the workers use them."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple, Protocol

from orderwatch.core.deliveries.audit import Reading
from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery

MayAct = Callable[[], bool]
"""Whether no other host can have taken over the work; for any thread."""


def always() -> bool:
    """Return that there is no other host."""
    return True


NO_HEADERS: Mapping[str, str] = MappingProxyType({})
# The number of durable bytes from the first one on, and of all durable bytes.
Checkpoint = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The server's answer before the first byte, kept with the partial.

    The partial has the first `offset` bytes of the file, and `held` in all.
    """

    offset: int
    held: int
    version: FileVersion


class Fetched(NamedTuple):
    """A complete partial: its size in bytes, and the sha256 of what was written.

    `crcs` are those of a zip's stored members, as far as they were computed on the way, by start and size of
    their packed bytes.
    """

    size: int
    sha256: str
    crcs: Mapping[tuple[int, int], int] = MappingProxyType({})


class Connections(Protocol):
    """The connections to a download host beside the first one."""

    def acquire(self) -> bool:
        """Take one more, False if the host accepts no more; `release` gives it back."""
        ...

    def release(self) -> None: ...

    def on_refused(self) -> None:
        """The host rejected one that was taken."""
        ...


class _Unlimited:
    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def on_refused(self) -> None:
        pass


UNLIMITED: Connections = _Unlimited()


MAX_SMALL_BYTES = 2**20  # of a file that counts as small, and is whole in memory once


class SmallFile(NamedTuple):
    """A link that probably leads to a small file, with headers for its own origin, and its partial's name."""

    delivery: Delivery
    url: str
    headers: Mapping[str, str]
    part: str
    promise: Promise


class SmallFetched(NamedTuple):
    """A small file that is durable as a partial and verified, and the host's description of it."""

    checked: "Checked"
    version: FileVersion


class Transport(Protocol):
    """Downloads a link into a partial. Raises `TransferError`."""

    async def fetch_small(
        self, files: Sequence[SmallFile], connections: Connections = UNLIMITED
    ) -> Sequence[SmallFetched | None]:
        """Download files of one host side by side; None for each that needs an attempt of its own.

        These are too large, or met an error, or were not requested after the host failed.
        """
        ...

    async def fetch(
        self,
        url: str,
        part: str,
        delivery: Delivery,
        *,
        on_start: Callable[[Start], Awaitable[None]],
        checkpoint: Checkpoint,
        stored: FileVersion | None = None,
        connections: Connections = UNLIMITED,
        promise: Promise = NO_PROMISE,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Fetched | None:
        """Resume the partial named `part` after its durable bytes, and complete it.

        Returns None if the server's file is certainly the `stored` one. The `headers` are the account's: they
        are sent to the origin of the link only, and no longer once a redirect has left it.

        `on_start` is awaited once before the first byte, `checkpoint` whenever more bytes became durable; the
        last ones need not be durable when this returns.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A partial that was read back whole and verified."""

    size: int
    sha256: str


class Publishable(NamedTuple):
    """A verified partial, its path below the root, and its sidecar."""

    part: str
    path: str
    sidecar: bytes
    checked: Checked


class Extracted(NamedTuple):
    """A folder, relative to the root, with the number of files extracted from a zip."""

    folder: str
    files: int


class Quarantined(NamedTuple):
    """Rejected bytes: their sha256, and their path relative to the root."""

    sha256: str
    path: str


def unnoticed(_size: int) -> None:
    """Ignore the progress."""


class Destination(Protocol):
    """A delivery tree and its staging folder, on one file system. Raises `DiskError`, `BadBytesError`."""

    def free(self) -> int:
        """Return how many bytes may still be written."""
        ...

    def occupied(self, part: str) -> int:
        """Return how many bytes of the disk the partial occupies; 0 if there is none."""
        ...

    async def volume(self) -> str | None:
        """Return the content of the tree's marker, None without one; `DiskError` if the tree is read-only."""
        ...

    async def mark(self) -> str:
        """Write the tree's marker, unless it has one, to recognise the tree later; return its content."""
        ...

    async def prepare(self) -> None:
        """Create the staging folders and check that the file system supports publishing."""
        ...

    async def verify(
        self, part: str, delivery: Delivery, fetched: Fetched | None = None, promise: Promise = NO_PROMISE
    ) -> Checked:
        """Make the partial durable, and verify it by its content and by what was promised.

        `fetched` has what was computed on the way.
        """
        ...

    async def adopt(self, part: str, delivery: Delivery) -> None:
        """Continue with the durable bytes of the delivery's former claims, and remove their partials.

        A file that another process may still have open is copied, never written to.
        """
        ...

    def leave(self, part: str) -> None:
        """Stop using the partial: this process has closed it."""
        ...

    async def publish(
        self,
        part: str,
        path: str,
        sidecar: bytes,
        checked: Checked,
        *,
        resumed: bool = False,
        may_act: MayAct = always,
        on_bytes: Callable[[int], object] = unnoticed,
    ) -> bool:
        """Give the partial its final name with the sidecar beside it; False if another file has the name.

        Safe to repeat after a crash (`resumed`): True if the same bytes are there, or were there. Raises
        `LostLeaseError` if it may not act when it is about to. `on_bytes` is called as bytes are sent, if the
        tree is on another machine.
        """
        ...

    async def publish_all(self, files: Sequence[Publishable], may_act: MayAct = always) -> Sequence[bool]:
        """Publish as `publish` does, each folder made durable once; False for each that was not."""
        ...

    async def holds(self, path: str, checked: Checked) -> bool:
        """Return whether this path already has the same bytes."""
        ...

    async def needed(self, part: str, path: str) -> int:
        """Return how many bytes extracting the partial, or the file at this path, will write.

        `NotExtractedError` if it will not be extracted.
        """
        ...

    async def extract(self, part: str, path: str, on_bytes: Callable[[int], object]) -> Extracted:
        """Extract it into a folder beside it; `on_bytes` is called from a thread as bytes are written.

        Safe to repeat: a folder that already holds the members counts.
        """
        ...

    async def quarantine(self, part: str, reason: str) -> Quarantined:
        """Move the partial to quarantine with the reason beside it."""
        ...

    async def discard(self, *parts: str) -> None: ...

    async def sweep(self, keep: Collection[str], older: timedelta | None = None) -> int:
        """Remove partials that no row knows, and incomplete extractions; return how many.

        Of each delivery to `keep`, by the stem of its partials' names, the newest partial stays.

        While downloads go on, only partials that were not written for this long (`older`).
        """
        ...


class Inspector(Protocol):
    """A delivery tree, to be read only."""

    async def read(self, path: str, size: int | None, on_bytes: Callable[[int], None]) -> Reading:
        """Return what a path holds; the file is read whole if it has the expected size."""
        ...
