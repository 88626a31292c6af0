"""Publishes verified bytes under their final name and records the result."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.paths import place
from orderwatch.core.deliveries.sidecar import sidecar
from orderwatch.core.model import Delivery, Order
from orderwatch.core.orders.watches import DeliveryPlan
from orderwatch.errors import DiskError, LostBytesError
from orderwatch.ports import Checked, Destination, MayAct, always
from orderwatch.service.fetching.delivery_record import DeliveryRecord
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.extract import Extraction
from orderwatch.service.liveness import Worker

log = structlog.get_logger()


def stored_facts(delivery: Delivery) -> dict[str, object]:
    """Return what the log says of a stored file."""
    return {name: getattr(delivery, name) for name in ("path", "size", "sha256", "version")}


class Publication:
    """Publishes one delivery, whose `row` it updates step by step."""

    def __init__(
        self,
        row: DeliveryRecord,
        plan: DeliveryPlan,
        destination: Destination,
        space: DiskBudget,
        *,
        now: Callable[[], datetime],
        worker: Worker,
        may_act: MayAct = always,
    ) -> None:
        self._row = row
        self._plan = plan
        self._destination = destination
        self._space = space
        self._now = now
        self._worker = worker
        self._may_act = may_act

    @property
    def _delivery(self) -> Delivery:
        return self._row.delivery

    @property
    def _part(self) -> str:
        return partial_name(self._delivery)

    @property
    def _extraction(self) -> Extraction:
        return Extraction(
            self._delivery, self._plan, self._destination, self._space, on_bytes=self._worker.progress
        )

    async def run(self, order: Order, checked: Checked, *, resumed: bool = False) -> None:
        """Publish: the row has the intent before the name exists, and the name is durable before `stored`."""
        number = 1
        while not await self._destination.publish(
            self._part,
            self._delivery.path or self._planned(order),
            sidecar(order, self._delivery, self._now()),
            checked,
            resumed=resumed,
            may_act=self._may_act,
            on_bytes=lambda _size: self._worker.progress(),
        ):
            number += 1
            log.warning("delivery.name_taken", **self._row.log_fields, path=self._delivery.path)
            await self._row.reserve_name(self._planned(order), self._delivery.root, first=number)
        self._worker.expect_bytes(checked.size)
        await self._row.mark_stored(await self._extraction.run(self._row.log_fields))
        await self._discard_partial()
        log.info("delivery.stored", **self._row.log_fields, **stored_facts(self._delivery))

    async def resume(self, order: Order) -> None:
        """Publish after a crash between intent and record: the verified bytes may have their name already."""
        self._worker.expect_bytes(self._delivery.size or 0)
        await self._extraction.reserve_space()
        try:
            checked = await self._verify_again()
        except LostBytesError:
            checked = Checked(size=self._delivery.size or 0, sha256=self._delivery.sha256 or "")
            if not await self._destination.holds(self._delivery.path or "", checked):
                raise
        await self.run(order, checked, resumed=True)

    async def finish_duplicate(self, stored: Delivery) -> None:
        """Record that another version is stored with the same bytes, and discard the partial."""
        await self._row.mark_duplicate(stored)
        await self._discard_partial()
        log.info("delivery.same_bytes", **self._row.log_fields, version=stored.version)

    def _planned(self, order: Order) -> str:
        return place(self._plan.layout, order, self._delivery)

    async def _verify_again(self) -> Checked:
        checked = await self._destination.verify(self._part, self._delivery)
        if checked.sha256 != self._delivery.sha256:
            raise LostBytesError("the verified partial has changed")
        return checked

    async def _discard_partial(self) -> None:
        """Remove the partial; if that fails, the next start does."""
        with suppress(DiskError):
            await self._destination.discard(self._part)
