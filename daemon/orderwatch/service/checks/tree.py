"""Whether a delivery tree takes files, and whether there is room for them."""

from collections.abc import Awaitable, Callable, Sequence

from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.core.sizes import amount, compared
from orderwatch.errors import DiskError
from orderwatch.service.checks.finding import Finding, Named

Parked = Callable[[DeliveryState], Awaitable[Sequence[Delivery]]]


class Mounted(Named):
    """`ready` proves that the tree can be written, and may say what it found; it raises `DiskError`."""

    def __init__(self, root: str, ready: Callable[[], Awaitable[str | None]]) -> None:
        super().__init__(f"destination {root}")
        self._ready = ready

    async def run(self) -> Finding:
        try:
            found = await self._ready()
        except DiskError as error:
            return self.bad(str(error), "mount it, or make it writable for the daemon's user")
        return self.found(found or "takes files")


class Room(Named):
    """`room` are the bytes that may be written; of what `parked` tells those below `key` count."""

    kind = "space"

    def __init__(
        self, root: str, room: Callable[[], int], parked: Parked | None = None, key: str | None = None
    ) -> None:
        super().__init__(f"space in {root}")
        self.facts = {"root": root}
        self._room = room
        self._parked = parked
        self._key = key

    async def run(self) -> Finding | None:
        try:
            room = self._room()
        except DiskError:
            return None
        advice = "make room, or lower keep_free in [delivery]"
        if room <= 0:
            return self.bad("nothing may be written: the disk is as full as keep_free allows", advice)
        largest = await self._largest()
        if largest > room:
            needed, left = compared(largest, room)
            return self.bad(f"a delivery needs {needed}, {left} may be written", advice)
        return self.found(f"{amount(room)} may be written")

    async def _largest(self) -> int:
        """What the largest of the parked deliveries still needs, as far as it is known."""
        parked = await self._parked(DeliveryState.PARKED) if self._parked else ()
        lacking = (d.total - d.durable for d in parked if d.root == self._key and d.total is not None)
        return max(lacking, default=0)
