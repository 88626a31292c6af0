"""One attempt at many small files of a capture: the steps of `Attempt`, each for all of them at once."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from orderwatch.core.deliveries import state_machine as machine
from orderwatch.core.deliveries.hosts import host_of
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.paths import place
from orderwatch.core.deliveries.sidecar import sidecar
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.core.orders.watches import DeliveryPlan, traits_of
from orderwatch.errors import DiskError, HeldError, MissingError, ProviderError, TransferError
from orderwatch.ports import MAX_SMALL_BYTES, Checked, MayAct, Publishable, SmallFile, always
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.delivery_record import log_fields
from orderwatch.service.fetching.host_breaker import HostVisit
from orderwatch.service.fetching.publication import stored_facts
from orderwatch.service.liveness import Worker
from orderwatch.service.log_volume import MAX_LINES, has_details

log = structlog.get_logger()

MAX_FILES = 64


class Batch:
    """Deliveries of one capture that were claimed together. `deliveries` mirror their rows."""

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        context: FetchContext,
        *,
        visit: HostVisit,
        worker: Worker,
        may_act: MayAct = always,
    ) -> None:
        self.deliveries = {one.key: one for one in deliveries}
        self._context = context
        self._visit = visit
        self._worker = worker
        self._may_act = may_act
        self._began = time.monotonic()

    @property
    def left(self) -> list[Delivery]:
        """The deliveries that still need an attempt of their own."""
        return [one for one in self.deliveries.values() if one.state is DeliveryState.FETCHING]

    async def run(self) -> None:
        """Download, verify, publish and record what needs no more than that; the rest is `left`."""
        order = await self._context.store.orders.of_delivery(next(iter(self.deliveries.values())))
        if order is None:
            raise ValueError("deliveries without an order")
        plan = self._context.watched.delivery_plan(traits_of(order))
        tree = self._context.trees[plan.root]
        try:
            await tree.volume.ready()
            tree.space.reserve(self, MAX_SMALL_BYTES * len(self.deliveries))
            files = await self._offered(order)
            fetched = await self._fetch(tree, files)
            intended = await self._intend(order, plan, fetched)
            await self._publish(order, tree, intended)
        except (ProviderError, TransferError) as error:
            log.debug("batch.ended", account=order.account, order_id=order.order_id, reason=str(error))
        finally:
            tree.space.release(self)
            self._visit.leave()

    async def _offered(self, order: Order) -> Mapping[str, Sequence[SmallFile]]:
        """Return the links that are still those of the deliveries, by host."""
        files: defaultdict[str, list[SmallFile]] = defaultdict(list)
        for delivery in self.deliveries.values():
            try:
                offer = await self._context.archive.offer(order, delivery)
            except MissingError:
                continue
            if offer.fingerprint == delivery.fingerprint:
                host = host_of(offer.url)
                named = replace(delivery, host=host)
                file = SmallFile(named, offer.url, offer.headers, partial_name(named), offer.promise)
                files[host].append(file)
        return files

    async def _fetch(
        self, tree: AttemptTree, files: Mapping[str, Sequence[SmallFile]]
    ) -> list[tuple[Delivery, Checked]]:
        found: list[tuple[Delivery, Checked]] = []
        for host, of_host in files.items():
            with suppress(HeldError):
                self._visit.enter(host)
                found += await self._fetch_from_host(tree, of_host)
        self._visit.leave()
        return found

    async def _fetch_from_host(
        self, tree: AttemptTree, files: Sequence[SmallFile]
    ) -> list[tuple[Delivery, Checked]]:
        self._worker.expect_bytes(MAX_SMALL_BYTES * len(files))
        results = await tree.transport.fetch_small(files, self._visit)
        self._worker.progress()
        found = []
        for file, result in zip(files, results, strict=True):
            if result is not None:
                checked, version = result
                described = file.delivery.described_by(version)
                intended = replace(described, total=checked.size, size=checked.size, sha256=checked.sha256)
                found.append((intended, checked))
        if found:
            self._visit.on_bytes()
        return found

    async def _intend(
        self, order: Order, plan: DeliveryPlan, fetched: Sequence[tuple[Delivery, Checked]]
    ) -> list[tuple[Delivery, Checked]]:
        """Write the intents: from here on a crash is recovered by the rows."""
        if not fetched:
            return []
        verified = [delivery for delivery, _ in fetched]
        paths = [place(plan.layout, order, delivery) for delivery in verified]
        intended = await self._context.store.deliveries.intend_all(verified, paths, plan.root)
        self.deliveries |= {one.key: one for one in intended}
        return [(delivery, checked) for delivery, (_, checked) in zip(intended, fetched, strict=True)]

    async def _publish(
        self, order: Order, tree: AttemptTree, intended: Sequence[tuple[Delivery, Checked]]
    ) -> None:
        if not intended:
            return
        now = self._context.now()
        published = await tree.destination.publish_all(
            [
                Publishable(partial_name(one), one.path or "", sidecar(order, one, now), checked)
                for one, checked in intended
            ],
            may_act=self._may_act,
        )
        stored = [one for (one, _), is_done in zip(intended, published, strict=True) if is_done]
        changes = [machine.on_stored(one, now) for one in stored]
        await self._context.store.deliveries.save_all(changes)
        self.deliveries |= {change.delivery.key: change.delivery for change in changes}
        with suppress(DiskError):  # the next start removes them
            await tree.destination.discard(*map(partial_name, stored))
        seconds = (time.monotonic() - self._began) / max(1, len(changes))
        for _ in changes:
            self._context.meter.stored(seconds)
        self._log_stored([change.delivery for change in changes])

    @staticmethod
    def _log_stored(stored: Sequence[Delivery]) -> None:
        """Log each file, or how many if they are many: a line costs as much as a small file."""
        if len(stored) <= MAX_LINES:
            for delivery in stored:
                log.info("delivery.stored", **log_fields(delivery), **stored_facts(delivery))
            return
        if has_details():
            for delivery in stored:
                log.debug("delivery.stored", **log_fields(delivery), **stored_facts(delivery))
        some = stored[0]
        log.info(
            "deliveries.stored",
            account=some.account,
            order_id=some.order_id,
            task_id=some.task_id,
            capture_id=some.capture_id,
            count=len(stored),
            size=sum(delivery.size or 0 for delivery in stored),
        )
