"""One attempt at one file: what is known of it, and what is missing of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from orderwatch.core.deliveries.file_version import FileVersion
from orderwatch.core.deliveries.hosts import host_of
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.ports import Checkpoint, Connections, Start
from orderwatch.transfer.http.first_bytes import check_first_bytes
from orderwatch.transfer.http.response import Body, ByteRange, may_resume
from orderwatch.transfer.partial_file import Partial


@dataclass
class Job:
    """One attempt at one file."""

    url: str = field(repr=False)
    delivery: Delivery
    partial: Partial
    on_start: Callable[[Start], Awaitable[None]]
    checkpoint: Checkpoint
    connections: Connections
    promise: Promise = NO_PROMISE
    account_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    begun: bool = False
    whole: bool = False  # the host has other bytes, or dislikes ranges
    disagreed: bool = False  # two of its connections have met two files

    @property
    def version(self) -> FileVersion:
        return self.delivery.file_version

    @property
    def host(self) -> str:
        """The host of the link."""
        return host_of(self.url)

    @property
    def missing_range(self) -> ByteRange | None:
        """The first gap; None to request the whole file."""
        held, total = self.partial.held, self.delivery.total
        if self.whole or not held.spans or not may_resume(self.delivery):
            return None
        if total is None:
            return ByteRange(held.prefix)
        start, stop = held.gaps(total)[0]
        return ByteRange(start, None if stop == total else stop)

    def check(self, body: Body, first: bytes) -> None:
        """Raise `TransferError` if a body from the first byte on does not begin the promised file."""
        check_first_bytes(self.delivery, first, body.doubt, self.promise, body.total)

    async def begin(self, body: Body) -> None:
        """Drop bytes that are not continued, and record the server's metadata before the first byte."""
        if body.from_start and self.partial.held.spans:
            await self.partial.restart()
        held = self.partial.held
        self.begun = True
        self.delivery = self.delivery.described_by(body.version)
        await self.on_start(Start(offset=held.prefix, held=held.total, version=body.version))
