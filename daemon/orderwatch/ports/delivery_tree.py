"""Downloads and delivery trees, as the workers know them."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

from orderwatch.core.deliveries.audit import Reading
from orderwatch.core.model import Delivery

# So many bytes from the first one on are durable, and so many in all.
Checkpoint = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the server said before the first byte, frozen with the partial; `total` in bytes if known.

    Of the file the first `offset` bytes are there, and `held` in all.
    """

    offset: int
    held: int
    total: int | None
    validator: str | None


class Fetched(NamedTuple):
    """A partial with every byte that was announced: its size in bytes, and the sha256 of what was written."""

    size: int
    sha256: str


class Connections(Protocol):
    """What a download host takes beside the first connection."""

    def more(self) -> bool:
        """One more is taken; False where the host takes no more. `fewer` gives it back."""
        ...

    def fewer(self) -> None: ...

    def too_many(self) -> None:
        """The host refused one that was taken."""
        ...


class _Unlimited:
    def more(self) -> bool:
        return True

    def fewer(self) -> None:
        pass

    def too_many(self) -> None:
        pass


UNLIMITED: Connections = _Unlimited()


class Transport(Protocol):
    """Brings the bytes behind a link into a partial. Raises `TransferError`."""

    async def fetch(
        self,
        url: str,
        part: str,
        delivery: Delivery,
        *,
        started: Callable[[Start], Awaitable[None]],
        checkpoint: Checkpoint,
        unless: str | None = None,
        connections: Connections = UNLIMITED,
    ) -> Fetched | None:
        """Continue the partial named `part` from what of it is durable, to its end.

        None where the server says that its bytes are those of the validator `unless`: nothing is fetched.

        `started` is awaited once before the first byte, `checkpoint` after each stretch became durable; of
        what came last not all needs to be, when this returns.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A partial that was read back whole and found sound."""

    size: int
    sha256: str


class Extracted(NamedTuple):
    """A folder, relative to the root, that holds so many files of a zip."""

    folder: str
    files: int


class Destination(Protocol):
    """The delivery tree and its staging folder, on one file system. Raises `DiskError`, `BadBytesError`."""

    def free(self) -> int:
        """Bytes that may still be written."""
        ...

    def occupied(self, part: str) -> int:
        """Bytes that the partial takes up already."""
        ...

    async def volume(self) -> str | None:
        """What the marker of the tree says, None where there is none; `DiskError` where it is read-only."""
        ...

    async def mark(self) -> str:
        """Mark the tree, unless it is marked, so that it is known again; returns what the marker says."""
        ...

    async def prepare(self) -> None:
        """Make the staging folders and prove that the file system can do what publishing needs."""
        ...

    async def verify(self, part: str, delivery: Delivery, sha256: str | None = None) -> Checked:
        """Make the partial durable and check it as what it is; `sha256` if it was made while it came."""
        ...

    async def publish(
        self, part: str, path: str, sidecar: bytes, checked: Checked, *, resumed: bool = False
    ) -> bool:
        """Give the partial its final name with the sidecar beside it; False where the name is another file's.

        Safe to repeat after a crash (`resumed`): True where the very bytes stand there, or stood there.
        """
        ...

    async def holds(self, path: str, checked: Checked) -> bool:
        """Whether the very bytes stand under this name already."""
        ...

    async def needed(self, part: str, path: str) -> int:
        """Bytes that extracting the partial, or the file under this name, will write.

        `NotExtractedError` where it will not be extracted.
        """
        ...

    async def extract(self, part: str, path: str, wrote: Callable[[int], object]) -> Extracted:
        """Unpack it into a folder beside its name; `wrote` is called from a thread as bytes are written.

        Safe to repeat: a folder that holds its members already counts.
        """
        ...

    async def quarantine(self, part: str, reason: str) -> str:
        """Set the partial aside with the reason beside it; returns the sha256 of its bytes."""
        ...

    async def discard(self, part: str) -> None: ...

    async def sweep(self, keep: Collection[str], older: timedelta | None = None) -> int:
        """Remove partials that no row knows, and what is half extracted; returns how many.

        While work goes on only partials that were not touched for so long (`older`).
        """
        ...


class Inspector(Protocol):
    """A delivery tree as it is found."""

    async def read(self, path: str, size: int | None, heard: Callable[[int], None]) -> Reading:
        """What stands under a name; it is read whole where it has the expected size."""
        ...
