"""The real fetcher with files and sockets, of one delivery whose row is kept in memory.

Between two attempts the power fails.
"""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.db.kit import an_order
from tests.patience import PATIENCE
from tests.service.service_kit import EVERYTHING, Time, new_gate, new_volume
from tests.transfer.transfer_kit import GARBAGE

from orderwatch.core.deliveries.byte_ranges import Ranges
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.state_machine import DeliveryUpdate, RetryPolicy, claimed
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.core.network import DIRECT, Network
from orderwatch.ports import Archive, Offer, Transport
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.partial_file import control_file
from orderwatch.transfer.tree.destination import FilesystemDestination

TRIES = 6
RETRIES = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=timedelta(hours=6), max_attempts=2 * TRIES)


@dataclass
class Links:
    """An archive that publishes one delivery; `link` makes the link of each request by its number."""

    published: Delivery
    link: Callable[[int], str]
    given: int = 0

    async def offer(self, *_: object) -> Offer:
        self.given += 1
        return Offer(
            file_name=self.published.file_name,
            fingerprint=self.published.fingerprint,
            url=self.link(self.given),
        )


@dataclass
class OneRow:
    """A store that holds one delivery: its own repository of orders and of deliveries."""

    row: Delivery

    def __post_init__(self) -> None:
        self.orders = self.deliveries = self

    async def of_delivery(self, _delivery: Delivery) -> Order:
        return an_order(deliveries=(self.row,))

    async def intend(self, delivery: Delivery) -> None:
        self.row = delivery

    async def reserve(self, *_: object) -> bool:
        return True

    async def versions(self, _delivery: Delivery) -> tuple[Delivery, ...]:
        return (self.row,)

    async def save(self, move: DeliveryUpdate) -> None:
        self.row = move.delivery

    async def save_all(self, moves: Sequence[DeliveryUpdate]) -> None:
        for move in moves:
            await self.save(move)

    async def checkpoint(self, delivery: Delivery, *_: object) -> None:
        self.row = delivery

    async def volume(self, _root: str) -> None:
        return None

    async def save_volume(self, *_: object) -> None:
        pass

    async def in_states(self, *_: object) -> tuple[Delivery, ...]:
        return (self.row,)

    async def claim(self, now: datetime) -> Delivery:
        assert self.row.not_before is None or self.row.not_before <= now
        await self.save(claimed(self.row, now))
        return self.row


@dataclass
class Rig:
    """One delivery, and everything that brings it home."""

    root: Path
    store: OneRow
    fetcher: Fetcher
    destination: FilesystemDestination
    truths: Mapping[str, bytes]  # by letter
    time: Time = field(default_factory=Time)
    said: list[str] = field(default_factory=list)
    held: int | None = None  # after the first attempt

    async def persist(self, *, blind: bool, steady: bool = False, tries: int = TRIES) -> Delivery:
        """Attempt after attempt, each after a power cut, until it is stored or nobody tries any more."""
        for _ in range(tries):
            async with asyncio.timeout(PATIENCE):
                after = await self.fetcher.fetch(await self.store.claim(self.time.now()))
            assert after == self.store.row
            self.held = after.durable if self.held is None else self.held
            if after.state is DeliveryState.STORED:
                break
            assert after.state in {DeliveryState.WAITING, DeliveryState.PARKED}
            assert not self.tree
            self.said.append(after.reason or "")
            if not steady:
                self.power_cut(after, blind=blind)
            self.time.move(timedelta(days=1))
        return self.store.row

    def power_cut(self, delivery: Delivery, *, blind: bool) -> None:
        """Only the durable bytes count: whatever else is there is garbage from now on."""
        partial = self.partial(delivery)
        if not partial.exists():
            return
        data, control = bytearray(partial.read_bytes()), control_file(partial)
        told = json.loads(control.read_bytes())["held"] if control.exists() else []
        kept = Ranges.of([(0, delivery.durable), *map(tuple, told)]).below(len(data))
        assert blind or any(
            all(data[start:stop] == truth[start:stop] for start, stop in kept.spans)
            for truth in self.truths.values()
        ), "a splice is called durable"
        for start, stop in kept.gaps(len(data)):
            data[start:stop] = b"\xa5" * (stop - start)
        partial.write_bytes(data + GARBAGE)

    def partial(self, delivery: Delivery) -> Path:
        return self.destination.partials / partial_name(delivery)

    @property
    def tree(self) -> list[bytes]:
        """What stands under a final name."""
        return [
            path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".orderwatch" not in path.parts and path.suffix != ".json"
        ]

    @property
    def stored(self) -> str:
        """The letters, in upper case, of the files that stand there; none for other bytes."""
        return "".join(letter.upper() for letter, truth in self.truths.items() if truth in self.tree)

    def assert_no_secret(self, logged: str) -> None:
        told = [*self.said, logged, repr(self.store.row)]
        told += [path.read_text() for path in self.root.rglob("*") if path.suffix in {".json", ".txt"}]
        assert not [text for text in told if re.search("canary|token|http:", text)]
        assert all(reason and "\n" not in reason for reason in self.said)


@asynccontextmanager
async def assembled(
    folder: Path,
    published: Delivery,
    link: Callable[[int], str],
    truths: Mapping[str, bytes],
    options: DownloadOptions,
    *,
    transport: Transport | None = None,
    destination: FilesystemDestination | None = None,
    network: Network = DIRECT,
    archive: Archive | None = None,
    api_scheme: str = "https",
) -> AsyncIterator[Rig]:
    """Assemble the fetcher of one delivery; `truths` are the files that its links ever lead to.

    `archive` offers it, by default with links alone.
    """
    time = Time()
    store: Any = OneRow(published)
    links: Any = archive or Links(published, link)
    destination = destination or FilesystemDestination(folder / "deliveries")
    async with open_downloader(
        "127.0.0.1", destination.partials, options, RateLimit(0), network=network, api_scheme=api_scheme
    ) as downloader:
        tree = AttemptTree(
            destination=destination,
            transport=transport or downloader,
            space=DiskBudget(lambda: 10**12, 0),
            volume=new_volume(destination, folder / "deliveries", store),
        )
        tools = FetchContext(
            archive=links,
            breaker=new_gate(store, time),
            watched=EVERYTHING,
            trees={None: tree},
            store=store,
            now=time.now,
        )
        fetcher = Fetcher({"main": tools}, store, retries=RETRIES, now=time.now, rng=random.Random(7))
        await tree.volume.open()
        yield Rig(folder / "deliveries", store, fetcher, destination, truths, time)
