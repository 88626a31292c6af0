"""Small files of one host, side by side: whole and durable, or left to an attempt of their own."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.transfer.transfer_kit import Act, Answer, Asked, Host, file, reply, sample_zip

from orderwatch.core.deliveries.checksum import Checksum
from orderwatch.core.deliveries.promise import NO_PROMISE, Promise
from orderwatch.core.model import Delivery
from orderwatch.ports import (
    MAX_SMALL_BYTES,
    NO_HEADERS,
    UNLIMITED,
    Checked,
    Connections,
    SmallFetched,
    SmallFile,
)
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions, ParallelOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.partial_file import control_file

CONTENT = {name: sample_zip(seed, 5_000) for seed, name in enumerate("abcdefgh")}
HEADERS = {"authorizationToken": "Bearer canary"}
PAGE = reply(200, b"<!DOCTYPE html><html><body>Sign in</body></html>", Content_Type="text/html")
BUSY = reply(429)


@dataclass
class Shelf(Host):
    """Answers by the last part of the path; `odd` are not the files of that name."""

    odd: dict[str, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers = [self.answer]

    def answer(self, asked: Asked) -> Iterator[bytes | Act]:
        name = asked.target.rpartition("/")[2]
        return (self.odd.get(name) or file(CONTENT[name], etag=f'"{name}"'))(asked)

    @property
    def requested(self) -> str:
        return "".join(asked.target.rpartition("/")[2] for asked in self.heard)


@dataclass
class Limited:
    """Connections of which the host accepts so many beside the first one."""

    more: int
    taken: int = 0
    most: int = 0
    refused: int = 0

    def acquire(self) -> bool:
        if self.taken >= self.more:
            return False
        self.taken += 1
        self.most = max(self.most, self.taken)
        return True

    def release(self) -> None:
        self.taken -= 1

    def on_refused(self) -> None:
        self.refused += 1


@dataclass
class Basket:
    """What is to be fetched from a shelf, into a folder."""

    folder: Path
    delivery: Delivery
    shelf: Shelf
    lanes: int = 1
    bandwidth: RateLimit = field(default_factory=lambda: RateLimit(0))
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    promises: Mapping[str, Promise] = field(default_factory=dict)

    def file(self, name: str) -> SmallFile:
        delivery = replace(self.delivery, scene_id=name, file_name=f"{name}.zip")
        url = f"{self.shelf.url}/{name}"
        return SmallFile(delivery, url, self.headers, f"{name}.part", self.promises.get(name, NO_PROMISE))

    async def fetch(self, names: str, connections: Connections = UNLIMITED) -> Sequence[SmallFetched | None]:
        options = DownloadOptions(stall_timeout=1.0, parallel=ParallelOptions(connections=self.lanes))
        async with open_downloader(
            "127.0.0.1", self.folder, options, self.bandwidth, api_scheme="http"
        ) as transport:
            return await transport.fetch_small([self.file(name) for name in names], connections)

    async def fetched(self, names: str, connections: Connections = UNLIMITED) -> str:
        """Fetch them; returns the names of those that were, each of which is checked."""
        results = await self.fetch(names, connections)
        assert len(results) == len(names)
        found = ""
        for name, result in zip(names, results, strict=True):
            if result is None:
                continue
            data = CONTENT[name]
            assert (self.folder / f"{name}.part").read_bytes() == data
            assert result.checked == Checked(size=len(data), sha256=hashlib.sha256(data).hexdigest())
            found += name
        return found


@pytest.fixture
async def basket(tmp_path: Path, delivery: Delivery) -> AsyncIterator[Basket]:
    async with Shelf().serving() as shelf:
        assert isinstance(shelf, Shelf)
        yield Basket(tmp_path, delivery, shelf)


@pytest.mark.parametrize("lanes", [1, 3, 64])
async def test_every_file_is_fetched_once_and_described_as_its_host_does(basket: Basket, lanes: int) -> None:
    basket.lanes = lanes
    assert await basket.fetched("abcdefgh") == "abcdefgh"
    assert sorted(basket.shelf.requested) == list("abcdefgh")
    (result,) = await basket.fetch("a")
    assert result is not None
    assert (result.version.total, result.version.validator) == (len(CONTENT["a"]), '"a"')


async def test_no_more_connections_are_opened_than_the_host_accepts(basket: Basket) -> None:
    basket.lanes, accepted = 8, Limited(2)
    assert await basket.fetched("abcdefgh", accepted) == "abcdefgh"
    assert (accepted.most, accepted.taken, accepted.refused) == (2, 0, 0)


async def test_a_file_that_is_announced_as_large_is_left_before_its_body(basket: Basket) -> None:
    basket.shelf.odd["b"] = reply(200, b"PK\3\4" + bytes(600), Act.STALL, Content_Length=MAX_SMALL_BYTES + 1)
    assert await basket.fetched("abc") == "ac"


async def test_a_file_that_becomes_large_is_left(basket: Basket) -> None:
    basket.shelf.odd["b"] = reply(200, b"PK\3\4" + bytes(MAX_SMALL_BYTES), Content_Length=None)
    assert await basket.fetched("abc") == "ac"
    assert not (basket.folder / "b.part").exists()


@pytest.mark.parametrize(
    "odd",
    [
        reply(500),
        reply(503),
        file(CONTENT["c"], upto=100),
        file(CONTENT["c"], upto=100, then=Act.RESET),
        file(CONTENT["c"], upto=100, then=Act.STALL),
        reply(401),
        reply(403),
        reply(404),
        reply(410),
    ],
    ids=["500", "503", "cut", "reset", "stall", "401", "403", "404", "410"],
)
async def test_a_host_that_fails_is_left_alone_and_what_was_fetched_counts(
    basket: Basket, odd: Answer
) -> None:
    basket.shelf.odd["c"] = odd
    assert await basket.fetched("abcdef") == "ab"
    assert basket.shelf.requested == "abc"
    assert not (basket.folder / "c.part").exists()


async def test_a_busy_host_is_left_alone(basket: Basket) -> None:
    basket.shelf.odd["c"] = BUSY
    assert await basket.fetched("abcdef") == "ab"
    assert basket.shelf.requested == "abc"


async def test_a_host_that_demands_a_pause_is_left_alone_by_all_connections(basket: Basket) -> None:
    names = "abcdefgh"
    basket.shelf.odd = dict.fromkeys(names, reply(429, Retry_After="60"))
    basket.lanes, accepted = 3, Limited(9)
    assert await basket.fetched(names, accepted) == ""
    assert len(basket.shelf.requested) <= 3


async def test_a_refused_connection_leaves_its_file_to_the_others(basket: Basket) -> None:
    refusals = [BUSY]
    plain = {name: file(CONTENT[name]) for name in CONTENT}

    def once(asked: Asked) -> Iterator[bytes | Act]:
        name = asked.target.rpartition("/")[2]
        return (refusals.pop() if refusals else plain[name])(asked)

    basket.shelf.odd = dict.fromkeys("abcdefgh", once)
    basket.lanes, accepted = 4, Limited(9)
    assert await basket.fetched("abcdefgh", accepted) == "abcdefgh"
    assert len(basket.shelf.requested) == 9
    assert accepted.taken == 0
    assert accepted.refused <= 1


@pytest.mark.parametrize(
    "odd",
    [
        PAGE,
        reply(200, b'{"message": "Forbidden"}', Content_Type="application/json"),
        reply(200, b""),
        reply(200, CONTENT["b"][:-1]),
        reply(200, CONTENT["b"][:2000] + bytes(100) + CONTENT["b"][2100:]),
        reply(418),
        file(CONTENT["b"], content_range="bytes 0-1/2"),
    ],
    ids=["page", "error", "empty", "truncated", "damaged", "418", "plain"],
)
async def test_a_file_with_wrong_bytes_is_left_and_the_others_are_fetched(
    basket: Basket, odd: Answer, request: pytest.FixtureRequest
) -> None:
    basket.shelf.odd["b"] = odd
    is_right = request.node.callspec.id == "plain"
    assert await basket.fetched("abc") == ("abc" if is_right else "ac")
    assert basket.shelf.requested == "abc"


@pytest.mark.parametrize(
    "promise",
    [
        Promise(size=17),
        Promise(checksum=Checksum("sha256", "0" * 64)),
        Promise(checksum=Checksum("md5", "0")),
    ],
    ids=["size", "sha256", "md5"],
)
async def test_a_file_that_does_not_keep_its_promise_is_left(basket: Basket, promise: Promise) -> None:
    basket.promises = {"b": promise}
    assert await basket.fetched("abc") == "ac"


async def test_a_bucket_behind_a_redirect_receives_no_headers(basket: Basket) -> None:
    async with Shelf().serving() as bucket:
        assert isinstance(bucket, Shelf)
        for name in "ab":
            basket.shelf.odd[name] = reply(302, Location=f"{bucket.url}/{name}")
        basket.headers = HEADERS
        assert await basket.fetched("abc") == "abc"
        assert all("authorizationtoken" in asked.headers for asked in basket.shelf.heard)
        assert not any("authorizationtoken" in asked.headers for asked in bucket.heard)
        assert bucket.requested == "ab"


async def test_bytes_of_an_earlier_attempt_are_replaced_not_written_into(basket: Basket) -> None:
    """A published file is a link to its partial."""
    partial, published = basket.folder / "a.part", basket.folder / "published"
    partial.write_bytes(b"published")
    control_file(partial).write_bytes(b"{}")
    published.hardlink_to(partial)
    assert await basket.fetched("a") == "a"
    assert published.read_bytes() == b"published"
    assert not control_file(partial).exists()


async def test_a_disk_that_takes_nothing_ends_the_batch(basket: Basket) -> None:
    (basket.folder / "b.part").mkdir()
    assert await basket.fetched("abcdef") == "a"
    assert basket.shelf.requested == "ab"


async def test_a_full_disk_keeps_what_was_fetched(tiny_disk: Path, basket: Basket) -> None:
    basket.folder = tiny_disk
    (tiny_disk / "other").write_bytes(bytes(256 * 1024 - 3 * 4096))
    assert await basket.fetched("abcdef") == "a"
    assert not any((tiny_disk / f"{name}.part").exists() for name in "cdef")


async def test_a_cancelled_batch_ends_its_requests_and_its_threads(basket: Basket) -> None:
    basket.lanes = 2
    basket.shelf.odd = dict.fromkeys("ab", file(CONTENT["a"], upto=100, then=Act.STALL))
    fetching = asyncio.create_task(basket.fetch("abcdef"))
    async with asyncio.timeout(PATIENCE):
        while len(basket.shelf.heard) < 2:
            await asyncio.sleep(0.01)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        await basket.shelf.alone()
    assert sorted(basket.shelf.requested) == ["a", "b"]
    assert list(basket.folder.iterdir()) == []


async def test_an_unexpected_error_is_raised_once_every_connection_has_ended(basket: Basket) -> None:
    """A file must not be written by a batch that is over."""
    accepted, slow = Limited(9), CONTENT["b"]
    basket.lanes = 2
    basket.shelf.odd["b"] = reply(200, slow[:600], *[Act.PAUSE] * 20, slow[600:], Content_Length=len(slow))
    basket.promises = {"a": Promise(checksum=Checksum("unheard-of", "0"))}
    with pytest.raises(ValueError, match="unheard-of"):
        await basket.fetch("ab", accepted)
    assert (basket.folder / "b.part").read_bytes() == slow
    assert accepted.taken == 0


async def test_the_bandwidth_limit_holds_for_all_files_together(basket: Basket) -> None:
    seconds: list[float] = []
    basket.bandwidth = limit = RateLimit(1_000_000, clock=lambda: 0.0)
    assert await basket.fetched("abcd") == "abcd"
    list(limit.throttle(b"x", seconds.append))
    assert sum(seconds) == pytest.approx(sum(len(CONTENT[name]) for name in "abcd") / 1_000_000, abs=1e-3)
