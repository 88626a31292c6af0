"""A claimed delivery as its row says, step by step."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.paths import alternative
from orderwatch.core.deliveries.state_machine import DeliveryUpdate
from orderwatch.core.model import Delivery, DeliveryState
from orderwatch.ports import Store


class DeliveryRecord:
    """`delivery` is what the row says, or will say with the next note."""

    def __init__(self, delivery: Delivery, store: Store, now: Callable[[], datetime]) -> None:
        self.delivery = delivery
        self._store = store
        self._now = now

    def becomes(self, **facts: Any) -> None:  # noqa: ANN401 - whatever a delivery is made of
        self.delivery = replace(self.delivery, **facts)

    async def note(self, **facts: Any) -> None:  # noqa: ANN401 - as above
        """Write the row, with these facts."""
        self.becomes(**facts)
        await self._store.record(DeliveryUpdate(delivery=self.delivery, transition=None))

    async def checkpoint(self, durable: int) -> None:
        self.becomes(durable=durable)
        await self._store.checkpoint(self.delivery, durable)

    async def take_name(self, path: str, root: str | None, *, first: int = 1) -> None:
        """Reserve a final name before anything stands under it: this one, or the next that is nobody's."""
        number = first
        name = path if number == 1 else alternative(path, number)
        while not await self._store.reserve(self.delivery, name, root):
            number += 1
            name = alternative(path, number)
        self.becomes(path=name, root=root)

    async def give_name_back(self) -> None:
        """Another one will be taken."""
        self.becomes(root=None, path=None)
        await self._store.reserve(self.delivery, None)
        await self.note()

    async def newest_stored(self) -> Delivery | None:
        """The version that what is published now may be equal to."""
        if self.delivery.version == 1:
            return None
        return max(await self._stored_siblings(), key=lambda d: d.version, default=None)

    async def stored_with(self, sha256: str) -> Delivery | None:
        """The version that has these bytes."""
        return next((d for d in await self._stored_siblings() if d.sha256 == sha256), None)

    async def is_duplicate_of(self, same: Delivery) -> None:
        """Published again with the bytes of another version: nothing new to store."""
        await self._store.reserve(self.delivery, None)
        await self._move(machine.on_duplicate(self.delivery, self._now(), same.version))

    async def is_stored(self, remark: str | None) -> None:
        """Former versions step back first: after a crash in between, this one is still taken up again."""
        now = self._now()
        for former in await self._stored_siblings() if self.delivery.version > 1 else ():
            if former.version < self.delivery.version:
                await self._store.record(machine.on_superseded(former, now, self.delivery.version))
        await self._move(machine.on_stored(self.delivery, now, remark))

    async def _move(self, move: DeliveryUpdate) -> None:
        await self._store.record(move)
        self.delivery = move.delivery

    async def _stored_siblings(self) -> list[Delivery]:
        """Stored versions of the same attachment, as of now: the download may have taken hours."""
        mine = self.delivery
        return [
            d
            for d in await self._store.versions(mine)
            if d.version != mine.version and d.state is DeliveryState.STORED
        ]

    @property
    def where(self) -> dict[str, object]:
        """What a log line says of the delivery."""
        d = self.delivery
        return {
            "account": d.account,
            "task_id": d.task_id,
            "capture_id": d.capture_id,
            "scene_id": d.scene_id,
            "attachment": d.attachment,
        }
