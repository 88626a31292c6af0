"""The resume matrix: whatever a host does after a cut, a whole file of its own is stored, or none is.

The real fetcher, files and sockets; only the row is kept in memory. Between two attempts the power fails.
"""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import LogCapture
from tests.db.kit import a_delivery, an_order
from tests.patience import PATIENCE
from tests.service.service_kit import EVERYTHING, Time, new_gate, new_volume
from tests.transfer.hostile import Behaviour, Files, behaviours, files, paced, ranging, sends
from tests.transfer.transfer_kit import GARBAGE, SECRET, Host, host

from orderwatch.core.deliveries.byte_ranges import Ranges
from orderwatch.core.deliveries.partial_name import partial_name
from orderwatch.core.deliveries.state_machine import DeliveryUpdate, RetryPolicy, claimed
from orderwatch.core.model import Delivery, DeliveryState, Order
from orderwatch.errors import TransferError
from orderwatch.ports import Checked, Fetched, Offer, Transport
from orderwatch.service.fetching.attempt import AttemptTree, FetchContext
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.fetcher import Fetcher
from orderwatch.transfer.http.downloader import DownloadOptions, open_downloader
from orderwatch.transfer.http.parallel import ParallelOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.partial_file import control_file
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.zip.verify import digest

TRIES = 6
STALL = 0.5  # seconds
SIZE = 150_000
CREDENTIALS = {"authorization", "authorizationtoken", "cookie", "x-satellogic-contract-id"}
CUTS = ("0", "1", "45 %", "all but one")
SLOW = {"one byte now and then, once"}
RETRIES = RetryPolicy(retry_min=timedelta(seconds=30), retry_max=timedelta(hours=6), max_attempts=2 * TRIES)


@dataclass(frozen=True)
class Engine:
    """How the downloads are made; the host pauses after every `pace` bytes."""

    options: DownloadOptions
    pace: int = SIZE


SHARING = ParallelOptions(
    connections=4, min_file_bytes=SIZE // 2, segment_bytes=SIZE // 15, window_seconds=1e-6
)
ALONE = Engine(DownloadOptions(stall_timeout=STALL, min_speed=5000))
SHARED = Engine(DownloadOptions(stall_timeout=STALL, min_speed=5000, parallel=SHARING), pace=SIZE // 5)


def cases() -> Iterator[object]:
    """Every behaviour after a cut in the middle; cut elsewhere and shared most of them play seldom."""
    for number, name in enumerate(behaviours(SIZE)):
        often = name in ranging(SIZE)
        for cut in CUTS:
            quick = cut == "45 %" or (often and number % 6 == 0)
            rare = () if quick and name not in SLOW else (pytest.mark.long,)
            yield pytest.param(ALONE, name, cut, id=f"{name}, {cut}", marks=rare)
        marks = [] if often and number % 2 == 0 else [pytest.mark.long]
        yield pytest.param(SHARED, name, "45 %", id=f"{name}, 45 %, shared", marks=marks)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Everything that was logged so far."""
    heard, before = LogCapture(), structlog.get_config()
    structlog.configure(processors=[heard])
    yield lambda: f"{heard.entries} {caplog.text}"
    structlog.configure(**before)


@dataclass
class Links:
    """An archive that hands out another link to the host at each request."""

    host: Host
    given: int = 0

    async def offer(self, *_: object) -> Offer:
        self.given += 1
        published = a_delivery()
        return Offer(
            file_name=published.file_name,
            fingerprint=published.fingerprint,
            url=f"{self.host.url}/a%2Fb.zip?token={SECRET}&x={self.given}",
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
    truth: Files
    time: Time = field(default_factory=Time)
    said: list[str] = field(default_factory=list)
    held: int | None = None  # after the first attempt

    async def persist(self, *, blind: bool, steady: bool = False) -> Delivery:
        """Attempt after attempt, each after a power cut, until it is stored or nobody tries any more."""
        for _ in range(TRIES):
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
            for truth in vars(self.truth).values()
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
        """The letters of the files that stand there; none for what is no file of the host's."""
        return "".join(letter for letter in "ABCS" if self.truth[letter] in self.tree)

    def assert_no_secret(self, logged: str) -> None:
        told = [*self.said, logged, repr(self.store.row)]
        told += [path.read_text() for path in self.root.rglob("*") if path.suffix in {".json", ".txt"}]
        assert not [text for text in told if re.search("canary|token|http:", text)]
        assert all(reason and "\n" not in reason for reason in self.said)


@asynccontextmanager
async def rig(
    folder: Path,
    behaviour: Behaviour,
    cut: int | None,
    engine: Engine,
    *,
    transport: Transport | None = None,
    destination: FilesystemDestination | None = None,
) -> AsyncIterator[Rig]:
    """Without a `cut` the host has had its first answer."""
    truth, time = files(SIZE), Time()
    store: Any = OneRow(a_delivery())
    first = [] if cut is None else [sends(truth.a, behaviour.first, upto=cut)]
    destination = destination or FilesystemDestination(folder / "deliveries")
    async with (
        host(*(paced(each, engine.pace) for each in (*first, *behaviour.then))) as hostile,
        open_downloader("127.0.0.1", destination.partials, engine.options, RateLimit(0)) as downloader,
    ):
        links: Any = Links(hostile)
        space = DiskBudget(lambda: 10**12, 0)
        tree = AttemptTree(
            destination=destination,
            transport=transport or downloader,
            space=space,
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
        yield Rig(folder / "deliveries", store, fetcher, destination, truth, time)
        assert not any(CREDENTIALS & asked.headers.keys() for asked in hostile.heard)


def cut_of(name: str, size: int) -> int:
    return {"0": 0, "1": 1, "45 %": size * 45 // 100, "all but one": size - 1}[name]


@pytest.mark.parametrize(("engine", "name", "cut"), [*cases()])
async def test_a_cut_file_ends_whole_or_not_at_all(
    tmp_path: Path, engine: Engine, name: str, cut: str, told: Callable[[], str]
) -> None:
    behaviour, truth = behaviours(SIZE)[name], files(SIZE)
    at = cut_of(cut, len(truth.a))
    async with rig(tmp_path, behaviour, at, engine) as r:
        delivery = await r.persist(blind=behaviour.blind)
        r.assert_no_secret(told())
        held = r.held or 0
        end = behaviour.end(held)
        if behaviour.blind and end in "ABCS" and truth[end][held:] == truth.a[held:]:
            end = "A"  # the little that was lacking is the same in both
        assert len(r.tree) == len(r.stored) == (delivery.state is DeliveryState.STORED), r.said
        assert end in {"?", r.stored or "-", "*" if r.stored else "-"}, r.said


# The same for a client that splices: the matrix catches it


class Naive:
    """Continues by length alone and appends what comes, as `curl -C -` and `wget -c` do."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def fetch(self, url: str, part: str, _delivery: Delivery, **_: object) -> Fetched:
        path = self._folder / part
        held = path.stat().st_size if path.exists() else 0
        asked = {"Range": f"bytes={held}-"} if held else {}
        try:
            async with aiohttp.request("GET", url, headers=asked) as answer:
                with path.open("ab" if answer.status == 206 else "wb") as file:
                    async for chunk in answer.content.iter_any():
                        file.write(chunk)
        except aiohttp.ClientError as error:
            raise TransferError("cut") from error
        return Fetched(path.stat().st_size, digest(path))


class Trusting(FilesystemDestination):
    """Believes that what came without an error is the file."""

    async def verify(self, part: str, *_: object) -> Checked:
        path = self.partials / part
        return Checked(size=path.stat().st_size, sha256=digest(path))


@pytest.mark.parametrize(
    "name",
    [
        "changed, If-Range ignored",
        "changed, no validator",
        "changed, weak ETag",
        "longer, no validator",
        "shorter, If-Range ignored",
        "range begins earlier",
        "range begins at 0",
        "range begins later, once",
        "range is not what it is called",
        "206 without Content-Range, of everything",
        "416 of what we hold",
        "page called a file",
    ],
)
async def test_a_client_that_appends_whatever_comes_is_caught(tmp_path: Path, name: str) -> None:
    destination = Trusting(tmp_path / "deliveries")
    naive: Any = Naive(destination.partials)
    behaviour, truth = behaviours(SIZE)[name], files(SIZE)
    async with rig(tmp_path, behaviour, None, ALONE, transport=naive, destination=destination) as r:
        r.partial(r.store.row).write_bytes(truth.a[: len(truth.a) // 2])
        await r.persist(blind=True, steady=True)
        assert (len(r.tree), r.stored) == (1, "")
