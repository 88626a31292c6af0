"""One attempt at one delivery: fresh link, partial, verify, publish, record."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.hosts import host_of
from orderwatch.core.deliveries.paths import partial_name, place
from orderwatch.core.deliveries.sidecar import sidecar
from orderwatch.core.model import Delivery, Order
from orderwatch.core.orders.watches import WatchSet, traits_of
from orderwatch.errors import DiskError, LostBytesError, UnavailableError
from orderwatch.ports import (
    UNMETERED,
    Archive,
    Checked,
    Destination,
    Fetched,
    Meter,
    Start,
    Store,
    Transport,
)
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.fetching.delivery_record import DeliveryRecord
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.extract import Extraction
from orderwatch.service.fetching.host_breaker import HostVisit
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.liveness import Worker, unsupervised

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptTree:
    """One delivery tree, and the way into it."""

    destination: Destination
    transport: Transport
    space: DiskBudget
    volume: MountGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchContext:
    """What an attempt at a delivery of one account works with; `trees` by root, None is the usual one."""

    archive: Archive
    breaker: AccountBreaker
    watched: WatchSet
    trees: Mapping[str | None, AttemptTree]
    store: Store
    now: Callable[[], datetime]
    meter: Meter = UNMETERED


class Attempt:
    """Brings a claimed delivery home; `row` is what its row says, step by step.

    `visit` is to its download host; `member` beats with every step.
    """

    def __init__(
        self,
        delivery: Delivery,
        tools: FetchContext,
        *,
        visit: HostVisit,
        worker: Worker | None = None,
    ) -> None:
        self.row = DeliveryRecord(delivery, tools.store, tools.now)
        self.visit = visit
        self.progressed = False  # bytes became durable that no attempt had brought before
        self._began = time.monotonic()
        self._tools = tools
        self._worker = worker or unsupervised()
        self._tree = tools.trees[None]
        self._plan = tools.watched.usual

    @property
    def delivery(self) -> Delivery:
        return self.row.delivery

    @property
    def _part(self) -> str:
        return partial_name(self.delivery)

    @property
    def _extraction(self) -> Extraction:
        destination, space = self._tree.destination, self._tree.space
        return Extraction(self.delivery, self._plan, destination, space, wrote=self._worker.progress)

    async def run(self) -> None:
        """Raises what kept the delivery from coming."""
        order = await self._order()
        self._plan = self._tools.watched.delivery_plan(traits_of(order))
        await self._choose_tree()
        if self.delivery.intended:
            await self._resume_publishing(order)
            return
        self._reserve_room(self._tree.destination.occupied(self._part))  # or a link would be of no use
        url = await self._fresh_link()
        if self.delivery.path is None:
            await self.row.take_name(place(self._plan.layout, order, self.delivery), self._plan.root)
        newest = await self.row.newest_stored()
        fetched = await self._fetch(url, newest)
        if fetched is None and newest is not None:
            await self._let_go(newest)
            return
        self._worker.reading(self.delivery.total or 0)
        checked = await self._tree.destination.verify(
            self._part, self.delivery, fetched.sha256 if fetched else None
        )
        self._worker.progress()
        if earlier := await self.row.stored_with(checked.sha256):
            await self._let_go(earlier)
        else:
            await self._publish(order, checked)

    async def quarantine(self, reason: str) -> str:
        """Quarantine refused bytes; returns their sha256."""
        return await self._tree.destination.quarantine(self._part, reason)

    async def start_over(self) -> None:
        """Forget the partial: the next attempt begins on a new inode."""
        part, self.row.delivery = self._part, machine.restarted(self.delivery)
        await self._tree.destination.discard(part)

    def release(self) -> None:
        """Give back what was reserved."""
        self.visit.leave()
        self._tree.space.release(self.delivery.key)

    async def _order(self) -> Order:
        order = await self._tools.store.order(self.delivery.account, self.delivery.task_id)
        if order is None:
            raise ValueError(f"delivery {self.delivery.scene_id} has no order")
        return order

    async def _choose_tree(self) -> None:
        """Where it began, as long as that is in the configuration; else where it is wanted now."""
        held = self.delivery
        self._tree = self._tools.trees[self._plan.root]
        if held.path is not None and held.root in self._tools.trees:
            self._tree = self._tools.trees[held.root]
        elif held.path is not None:
            log.warning("delivery.root_left", **self.row.where, root=held.root)
            self.row.delivery = machine.restarted(held)
            await self.row.give_name_back()
        await self._tree.volume.ready()

    async def _fresh_link(self) -> str:
        """Ask the scene for a link. If it was published anew, what we hold of the old bytes is let go."""
        held = self.delivery
        breaker = self._tools.breaker
        try:
            offer = await self._tools.archive.offer(held.capture_id, held.scene_id, held.attachment)
        except UnavailableError:
            breaker.unanswered()
            raise
        breaker.answered()
        if offer.fingerprint != held.fingerprint:
            await self.start_over()
            self.row.becomes(fingerprint=offer.fingerprint, file_name=offer.file_name)
            await self.row.give_name_back()
            self._tree = self._tools.trees[self._plan.root]
            await self._tree.volume.ready()
        self.row.becomes(host=host_of(offer.url))
        self.visit.goes_to(self.delivery.host or "")
        return offer.url

    def _reserve_room(self, held: int) -> None:
        """For what is not written yet; of a file of unknown length that is one byte at least."""
        total = self.delivery.total
        self._tree.space.reserve(self.delivery.key, 1 if total is None else max(0, total - held))

    async def _fetch(self, url: str, newest: Delivery | None) -> Fetched | None:
        """None where the server says that it has the bytes of the newest version that is stored."""
        self._worker.reading(self.delivery.durable)
        fetched = await self._tree.transport.fetch(
            url,
            self._part,
            self.delivery,
            started=self._started,
            checkpoint=self._checkpoint,
            unless=newest.validator if newest else None,
            connections=self.visit,
        )
        self.visit.came()
        self.visit.leave()
        if fetched is not None:
            self.row.becomes(total=fetched.size)
        return fetched

    async def _started(self, start: Start) -> None:
        """Freeze what the server said with the row, and take the room, before the first byte.

        Where nothing was durable before, the first checkpoint is soon enough for the row.
        """
        begun = self.delivery.durable > 0
        known = self.delivery
        self.row.becomes(
            durable=start.offset,
            furthest=max(known.furthest, known.durable, start.held),
            total=start.total,
            validator=start.validator,
        )
        self._reserve_room(start.held)  # where it is refused, the row knows how much is needed
        if begun:
            await self.row.note()
        path = self.delivery.path
        log.info("download.started", **self.row.where, held=start.held, total=start.total, path=path)

    async def _checkpoint(self, durable: int, held: int) -> None:
        self._worker.reading(held)
        self.visit.came()
        if held > self.delivery.furthest:
            self.progressed = True
            self.row.becomes(furthest=held)
        await self.row.checkpoint(durable)
        self._reserve_room(held)

    async def _let_go(self, same: Delivery) -> None:
        await self.row.is_duplicate_of(same)
        await self._clear()
        log.info("delivery.same_bytes", **self.row.where, version=same.version)

    async def _publish(self, order: Order, checked: Checked, *, resumed: bool = False) -> None:
        """The intent is in the row before the name exists, the name durable before the row says stored."""
        await self.row.note(size=checked.size, sha256=checked.sha256)
        wanted = place(self._plan.layout, order, self.delivery)
        number = 1
        while not await self._tree.destination.publish(
            self._part,
            self.delivery.path or wanted,
            sidecar(order, self.delivery, self._tools.now()),
            checked,
            resumed=resumed,
        ):
            number += 1
            log.warning("delivery.name_taken", **self.row.where, path=self.delivery.path)
            await self.row.take_name(wanted, self.delivery.root, first=number)
        self._worker.reading(checked.size)
        await self.row.is_stored(await self._extraction.run(self.row.where))
        await self._clear()
        self._say_stored()

    def _say_stored(self) -> None:
        d = self.delivery
        facts = {"path": d.path, "size": d.size, "sha256": d.sha256, "version": d.version}
        log.info("delivery.stored", **self.row.where, **facts)
        self._tools.meter.stored(time.monotonic() - self._began)

    async def _resume_publishing(self, order: Order) -> None:
        """A crash fell between intent and record: verified bytes may or may not have their name."""
        self._worker.reading(self.delivery.size or 0)
        await self._extraction.make_room()
        try:
            checked = await self._read_back()
        except LostBytesError:
            checked = Checked(size=self.delivery.size or 0, sha256=self.delivery.sha256 or "")
            if not await self._tree.destination.holds(self.delivery.path or "", checked):
                raise
        await self._publish(order, checked, resumed=True)

    async def _read_back(self) -> Checked:
        checked = await self._tree.destination.verify(self._part, self.delivery)
        if checked.sha256 != self.delivery.sha256:
            raise LostBytesError("the verified partial is not what it was")
        return checked

    async def _clear(self) -> None:
        """The partial has served. If the disk does not let go of it now, the next start sweeps it."""
        with suppress(DiskError):
            await self._tree.destination.discard(self._part)
