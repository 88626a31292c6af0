"""One attempt at one delivery: request a link, download, verify, publish, record."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.hosts import host_of
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.paths import place
from orderwatch.core.deliveries.promise import NO_PROMISE
from orderwatch.core.model import Delivery, Order
from orderwatch.core.orders.watches import WatchSet, traits_of
from orderwatch.errors import LinkExpiredError, UnauthorizedError, UnavailableError
from orderwatch.ports import (
    UNMETERED,
    Archive,
    Destination,
    Fetched,
    MayAct,
    Meter,
    Offer,
    Quarantined,
    Start,
    Store,
    Transport,
    always,
)
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.fetching.delivery_record import DeliveryRecord
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.host_breaker import HostVisit
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.fetching.publication import Publication
from orderwatch.service.liveness import Worker, unsupervised

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptTree:
    """One delivery tree, with what an attempt needs to write into it."""

    destination: Destination
    transport: Transport
    space: DiskBudget
    volume: MountGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchContext:
    """What attempts at deliveries of one account need; `trees` by root, None for the default one."""

    archive: Archive
    breaker: AccountBreaker
    watched: WatchSet
    trees: Mapping[str | None, AttemptTree]
    store: Store
    now: Callable[[], datetime]
    meter: Meter = UNMETERED


class Attempt:
    """Downloads, verifies and publishes a claimed delivery, and updates its `row` step by step.

    `visit` counts its connections to the download host; `worker` records progress. It publishes only while
    it `may_act`.
    """

    def __init__(
        self,
        delivery: Delivery,
        context: FetchContext,
        *,
        visit: HostVisit,
        worker: Worker | None = None,
        may_act: MayAct = always,
    ) -> None:
        self.row = DeliveryRecord(delivery, context.store, context.now)
        self.visit = visit
        self.progressed = False  # this attempt made more bytes durable than any before
        self._began = time.monotonic()
        self._context = context
        self._worker = worker or unsupervised()
        self._may_act = may_act
        self._tree = context.trees[None]
        self._plan = context.watched.usual
        self._promise = NO_PROMISE

    @property
    def delivery(self) -> Delivery:
        return self.row.delivery

    @property
    def _part(self) -> str:
        return partial_name(self.delivery)

    @property
    def _publication(self) -> Publication:
        return Publication(
            self.row,
            self._plan,
            self._tree.destination,
            self._tree.space,
            now=self._context.now,
            worker=self._worker,
            may_act=self._may_act,
        )

    async def run(self) -> None:
        """Run the attempt; raises the error that ended it."""
        order = await self._order()
        self._plan = self._context.watched.delivery_plan(traits_of(order))
        await self._choose_tree()
        await self._tree.destination.adopt(self._part, self.delivery)
        if self.delivery.intended:
            await self._publication.resume(order)
            self._count_stored()
            return
        held = self._tree.destination.occupied(self._part)
        self._reserve_space(held)  # before requesting a link, which would be wasted
        newest_stored = await self.row.newest_stored()
        fetched = await self._fetch(order, newest_stored)
        if fetched is None and newest_stored is not None:
            await self._publication.finish_duplicate(newest_stored)
            return
        self._worker.expect_bytes(self.delivery.total or 0)
        checked = await self._tree.destination.verify(self._part, self.delivery, fetched, self._promise)
        self._worker.progress()
        if earlier := await self.row.intend(checked):
            await self._publication.finish_duplicate(earlier)
        else:
            await self._publication.run(order, checked)
            self._count_stored()

    async def quarantine(self, reason: str) -> Quarantined:
        """Quarantine wrong bytes."""
        return await self._tree.destination.quarantine(self._part, reason)

    async def start_over(self) -> None:
        """Discard the partial, so that the next attempt begins with a new file."""
        part, self.row.delivery = self._part, machine.restarted(self.delivery)
        await self._tree.destination.discard(part)

    def release(self) -> None:
        """Release the reserved connection and disk space."""
        self.visit.leave()
        self._tree.space.release(self.delivery.key)
        self._tree.destination.leave(self._part)

    def _count_stored(self) -> None:
        self._context.meter.stored(time.monotonic() - self._began)

    async def _order(self) -> Order:
        order = await self._context.store.orders.of_delivery(self.delivery)
        if order is None:
            raise ValueError(f"delivery {self.delivery.scene_id} has no order")
        return order

    async def _choose_tree(self) -> None:
        """Use the tree where the download began if it is still configured, else the plan's."""
        before = self.delivery
        self._tree = self._context.trees[self._plan.root]
        if before.path is not None and before.root in self._context.trees:
            self._tree = self._context.trees[before.root]
        elif before.path is not None:
            log.warning("delivery.root_left", **self.row.log_fields, root=before.root)
            self.row.delivery = machine.restarted(before)
            await self.row.release_name()
        await self._tree.volume.ready()

    async def _request_link(self, order: Order) -> Offer:
        """Request a link. If the scene was published again, discard the bytes of the former version."""
        before = self.delivery
        breaker = self._context.breaker
        try:
            offer = await self._context.archive.offer(order, before)
        except UnavailableError:
            breaker.on_link_failure()
            raise
        if offer.is_fresh:
            breaker.on_link_success()
        if offer.fingerprint != before.fingerprint:
            await self.start_over()
            self.row.update(fingerprint=offer.fingerprint, file_name=offer.file_name, refused=None)
            await self.row.release_name()
            self._tree = self._context.trees[self._plan.root]
            await self._tree.volume.ready()
        self.row.update(host=host_of(offer.url))
        self.visit.enter(self.delivery.host or "")
        return offer

    def _reserve_space(self, held: int) -> None:
        """Reserve space for the missing bytes; at least one byte if the size is unknown."""
        total = self.delivery.total
        self._tree.space.reserve(self.delivery.key, 1 if total is None else max(0, total - held))

    async def _fetch(self, order: Order, newest_stored: Delivery | None) -> Fetched | None:
        """Request a link and download; a link of an earlier answer that has expired is replaced.

        Headers that its host refuses are reported, so that the next link has others.

        Returns None if the server's bytes are those of the newest stored version.
        """
        while True:
            offer = await self._request_link(order)
            if self.delivery.path is None:
                await self.row.reserve_name(place(self._plan.layout, order, self.delivery), self._plan.root)
            self._promise = offer.promise
            try:
                return await self._download(offer, newest_stored)
            except LinkExpiredError as error:
                if isinstance(error, UnauthorizedError):
                    offer.on_refused()
                if offer.is_fresh:
                    raise

    async def _download(self, offer: Offer, newest_stored: Delivery | None) -> Fetched | None:
        self._worker.expect_bytes(self.delivery.durable)
        fetched = await self._tree.transport.fetch(
            offer.url,
            self._part,
            self.delivery,
            on_start=self._on_start,
            checkpoint=self._checkpoint,
            stored=newest_stored.file_version if newest_stored else None,
            connections=self.visit,
            promise=offer.promise,
            headers=offer.headers,
        )
        self.visit.on_bytes()
        self.visit.leave()
        if fetched is not None:
            self.row.update(total=fetched.size)
        return fetched

    async def _on_start(self, start: Start) -> None:
        """Record the server's metadata and reserve space before the first byte.

        If nothing was durable before, the first checkpoint writes the row.
        """
        begun = self.delivery.durable > 0
        known = self.delivery
        self.row.update(
            durable=start.offset,
            furthest=max(known.furthest, known.durable, start.held),
            **start.version.facts(),
        )
        self._reserve_space(start.held)  # if it fails, the row knows how much space is needed
        if begun:
            await self.row.save()
        total, path = self.delivery.total, self.delivery.path
        log.info("download.started", **self.row.log_fields, held=start.held, total=total, path=path)

    async def _checkpoint(self, durable: int, held: int) -> None:
        self._worker.expect_bytes(held)
        self.visit.on_bytes()
        if held > self.delivery.furthest:
            self.progressed = True
            self.row.update(furthest=held)
        await self.row.checkpoint(durable)
        self._reserve_space(held)
