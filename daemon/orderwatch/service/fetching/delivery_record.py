"""The row of a claimed delivery, updated step by step."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.paths import alternative
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.ports import Checked, Store

_LOG_FIELDS = ("account", "order_id", "task_id", "capture_id", "scene_id", "attachment")


def log_fields(delivery: Delivery) -> dict[str, object]:
    """Return the fields that identify a delivery in the log."""
    return {name: getattr(delivery, name) for name in _LOG_FIELDS}


class DeliveryRecord:
    """`delivery` mirrors the row, including changes not saved yet."""

    def __init__(self, delivery: Delivery, store: Store, now: Callable[[], datetime]) -> None:
        self.delivery = delivery
        self._store = store
        self._now = now

    def update(self, **facts: Any) -> None:  # noqa: ANN401 - fields of a delivery
        """Change the delivery without saving it."""
        self.delivery = replace(self.delivery, **facts)

    async def save(self, **facts: Any) -> None:  # noqa: ANN401 - as above
        """Save the row, with these changes."""
        self.update(**facts)
        await self._store.deliveries.save(DeliveryUpdate(delivery=self.delivery, transition=None))

    async def checkpoint(self, durable: int) -> None:
        """Save how many bytes are durable."""
        self.update(durable=durable)
        await self._store.deliveries.checkpoint(self.delivery, durable)

    async def reserve_name(self, path: str, root: str | None, *, first: int = 1) -> None:
        """Reserve a final name before the file exists: this one, or the next free one."""
        number = first
        name = path if number == 1 else alternative(path, number)
        while not await self._store.deliveries.reserve(self.delivery, name, root):
            number += 1
            name = alternative(path, number)
        self.update(path=name, root=root)

    async def release_name(self) -> None:
        """Release the reserved name; another one will be reserved."""
        self.update(root=None, path=None)
        await self._store.deliveries.reserve(self.delivery, None)
        await self.save()

    async def newest_stored(self) -> Delivery | None:
        """Return the newest stored version, which the published file may equal; None if there is none."""
        if self.delivery.version == 1:
            return None
        return max(await self._stored_siblings(), key=lambda d: d.version, default=None)

    async def intend(self, checked: Checked) -> Delivery | None:
        """Save the intent to publish verified bytes; return the stored version that has them, if any."""
        intended = replace(self.delivery, size=checked.size, sha256=checked.sha256)
        stored = await self._store.deliveries.intend(intended)
        if stored is None:
            self.delivery = intended
        return stored

    async def mark_duplicate(self, same: Delivery) -> None:
        """Record that the scene was published again with the bytes of a stored version."""
        await self._store.deliveries.reserve(self.delivery, None)
        await self._apply(machine.on_duplicate(self.delivery, self._now(), same.version))

    async def mark_stored(self, reason: str | None) -> None:
        """Record the delivery as stored, and former versions as superseded by it."""
        now, own = self._now(), self.delivery
        siblings = await self._stored_siblings() if own.version > 1 else ()
        former = [machine.on_superseded(d, now, own.version) for d in siblings if d.version < own.version]
        change = machine.on_stored(own, now, reason)
        await self._store.deliveries.save_all([*former, change])
        self.delivery = change.delivery

    async def _apply(self, change: DeliveryUpdate) -> None:
        await self._store.deliveries.save(change)
        self.delivery = change.delivery

    async def _stored_siblings(self) -> list[Delivery]:
        """Read the stored versions of the attachment now: the download may have taken hours."""
        own = self.delivery
        return [
            d
            for d in await self._store.deliveries.versions(own)
            if d.version != own.version and d.state is DeliveryState.STORED
        ]

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields that identify the delivery in the log."""
        return log_fields(self.delivery)
