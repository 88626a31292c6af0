"""One bad file, or one bad download host, does not hold the rest; a busy one is waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from structlog.testing import LogCapture
from tests.service.service_kit import HOUR, MINUTE, House, house, told
from tests.service.tracking_kit import ALWAYS, fault, lie, work

from orderwatch.core.deliveries.state_machine import RetryPolicy
from orderwatch.core.model import Capture, Delivery, DeliveryState, Order
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.ports import Archive, Offer
from orderwatch.service.fetching.download_slots import DownloadSlots
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Downloads

STORED, WAITING, GIVEN_UP = DeliveryState.STORED, DeliveryState.WAITING, DeliveryState.GIVEN_UP
SECOND = timedelta(seconds=1)
PATIENT = RetryPolicy(retry_min=30 * SECOND, retry_max=6 * HOUR, max_attempts=20)
QUICK = RetryPolicy(retry_min=SECOND, retry_max=MINUTE, max_attempts=20)
FEW = RetryPolicy(retry_min=30 * SECOND, retry_max=6 * HOUR, max_attempts=3)
HANGS = fault("download", "stall", seconds=600, match={"scene_id": "S0"})


def scenes(*hosts: int, **downloads: object) -> Scenario:
    """A scene on each of these download hosts; the first ones go first."""
    each = (
        {"scene_id": f"S{number}", "size": 5000 + number, "host": host} for number, host in enumerate(hosts)
    )
    behaviour = Downloads.model_validate({"hosts": max(hosts) + 1, **downloads})
    return Scenario(orders=(told(41, *each),), downloads=behaviour)


async def states(h: House) -> str:
    """The first letters, scene after scene."""
    return "".join(d.state[0] for d in sorted(await h.deliveries(), key=lambda d: d.scene_id))


async def delivery_of(h: House, scene: str) -> Delivery:
    [found] = [d for d in await h.deliveries() if d.scene_id == scene]
    return found


def about(scene: int, kind: str, **facts: object) -> Fault:
    return fault("download", kind, match={"scene_id": f"S{scene}"}, **{**ALWAYS, **facts})


@asynccontextmanager
async def serving(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A host of which everything is asked with this, by its URL."""
    async with RawTestServer(handle) as server:
        yield str(server.make_url("/"))


# What speaks of the host


@pytest.mark.parametrize("code", [202, 400, 401, 403, 404, 410])
async def test_files_that_are_not_to_be_had_do_not_hold_the_others_of_their_host(
    tmp_path: Path, code: int, events: LogCapture
) -> None:
    async with house(tmp_path, scenes(*[0] * 9), retries=PATIENT) as h:
        await h.look()
        lie(h, *(about(number, "status", code=code) for number in range(6)))
        await work(h)
        assert await states(h) == "wwwwwwsss"
        assert "downloads.failing" not in [e["event"] for e in events.entries]


async def test_a_host_that_fails_does_not_hold_what_another_one_has(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, scenes(1, 1, 1, 1, 0, 0), retries=PATIENT) as h:
        await h.look()
        lie(h, fault("download", "status", code=500, match={"host": 1}, **ALWAYS))
        await work(h)
        assert await states(h) == "wwwwss"
        [begin] = [e for e in events.entries if e["event"] == "downloads.failing"]
        fourth = await delivery_of(h, "S3")
        assert (begin["account"], begin["host"]) == ("main", fourth.host)
        assert fourth.attempts == 0  # it was only found out where it is
        lie(h)
        h.time.move(HOUR)
        await work(h)
        await h.assert_all_stored()
        [end] = [e for e in events.entries if e["event"] == "downloads.restored"]
        assert (end["account"], end["host"]) == ("main", fourth.host)


async def test_who_tries_a_host_that_failed_is_each_time_another_one(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(*[0] * 6), retries=PATIENT) as h:
        await h.look()
        lie(h, *(about(number, "status", code=500) for number in range(4)))
        await work(h)
        assert await states(h) == "wwwwww"
        for _ in range(2):
            h.time.move(MINUTE)
            await work(h)
        assert await states(h) == "wwwwss"


@dataclass(frozen=True)
class Entrance:
    """An archive whose links lead to a host that leads on, for some scenes to where nobody answers."""

    archive: Archive
    url: str
    links: dict[str, str] = field(default_factory=dict)

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]:
        return await self.archive.scenes(order, capture)

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        offer = await self.archive.offer(order, delivery)
        self.links.setdefault(delivery.scene_id, offer.url)
        return replace(offer, url=f"{self.url}{delivery.scene_id}")


async def test_files_whose_storage_does_not_answer_do_not_hold_the_others_of_their_links_host(
    tmp_path: Path,
) -> None:
    nowhere = {f"S{number}": "http://127.0.0.1:1/" for number in range(4)}

    async def lead_on(request: web.BaseRequest) -> web.StreamResponse:
        raise web.HTTPFound(entrance.links[request.path.removeprefix("/")])

    async with house(tmp_path, scenes(*[0] * 9), retries=PATIENT) as h, serving(lead_on) as url:
        entrance = Entrance(h.connection.archive, url, nowhere)
        h.tools["main"] = replace(h.tools["main"], archive=entrance)
        await h.look()
        await work(h)
        for _ in range(3):
            h.time.move(MINUTE)
            await work(h)
        assert await states(h) == "wwwwsssss"


async def test_a_host_that_does_not_answer_is_one_trouble_even_for_one_file(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, scenes(0), retries=PATIENT) as h:
        await h.look()
        lie(h, fault("download", "reset", **ALWAYS))
        for _ in range(3):
            await work(h)
            h.time.move(HOUR)
        assert [e["event"] for e in events.entries].count("downloads.failing") == 1
        lie(h)
        await work(h)
        await h.assert_all_stored()


@pytest.mark.parametrize("hosts", [[0], [0, 0, 0, 0]], ids=["the only file", "every file"])
async def test_nobody_waits_longer_than_the_slowest_retry(tmp_path: Path, hosts: list[int]) -> None:
    """The pauses of a host that failed would else grow to five minutes."""
    async with house(tmp_path, scenes(*hosts), retries=QUICK) as h:
        await h.look()
        lie(h, fault("download", "status", code=500, **ALWAYS))
        asked = []
        for _ in range(40):
            before = len(h.downloads)
            await work(h)
            asked += [h.time.now()] if len(h.downloads) > before else []
            h.time.move(10 * SECOND)
        pauses = [after - before for before, after in pairwise(asked)]
        assert max(pauses) <= QUICK.retry_max + 10 * SECOND
        lie(h)
        h.time.move(QUICK.retry_max)
        await work(h)
        await h.assert_all_stored()


async def test_a_host_that_nothing_is_wanted_of_any_more_is_no_trouble_for_ever(
    tmp_path: Path, events: LogCapture
) -> None:
    async with house(tmp_path, scenes(0, 0, 0), retries=FEW) as h:
        await h.look()
        lie(h, fault("download", "status", code=500, **ALWAYS))
        while WAITING in {d.state for d in await h.deliveries()} or not h.downloads:
            await work(h)
            h.time.move(HOUR)
        assert await states(h) == "ggg"
        h.time.move(7 * HOUR)
        await work(h)
        assert [e["event"] for e in events.entries].count("downloads.restored") == 1


@pytest.mark.parametrize("sizes", [(90_000, 80_000), (90_000,)], ids=["two sizes", "one size"])
async def test_a_file_that_is_always_cut_is_given_up_whatever_size_its_host_says(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    answers = 0

    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal answers
        answers += 1
        response = web.StreamResponse()
        response.content_length = sizes[answers % len(sizes)]
        await response.prepare(request)
        await response.write(b"PK\3\4" + bytes(50_000 + answers % 3))
        assert request.transport is not None
        request.transport.close()
        return response

    async with house(tmp_path, scenes(0), retries=FEW) as h, serving(cut) as url:
        h.tools["main"] = replace(h.tools["main"], archive=Entrance(h.connection.archive, url))
        await h.look()
        for _ in range(10):
            await work(h)
            h.time.move(HOUR)
        assert await states(h) == "g"


# Busy


@pytest.mark.parametrize("code", [429, 503])
async def test_a_busy_host_is_asked_again_when_it_said_and_no_file_is_given_up_for_it(
    tmp_path: Path, code: int
) -> None:
    async with house(tmp_path, scenes(0), retries=FEW) as h:
        await h.look()
        lie(h, fault("download", "status", code=code, retry_after=120, **ALWAYS))
        for asked in range(1, 2 * FEW.max_attempts):
            await work(h)
            waiting = await h.the_delivery()
            assert (waiting.state, waiting.attempts, waiting.attempts_without_progress) == (WAITING, asked, 0)
            assert waiting.not_before == h.time.now() + 120 * SECOND
            h.time.move(120 * SECOND)
        lie(h)
        await work(h)
        await h.assert_all_stored()


@pytest.mark.parametrize("code", [429, 503])
async def test_a_host_that_is_busy_for_good_is_not_asked_each_second_because_it_says_so(
    tmp_path: Path, code: int
) -> None:
    async with house(tmp_path, scenes(0), retries=FEW) as h:
        await h.look()
        lie(h, fault("download", "status", code=code, retry_after=1, **ALWAYS))
        for _ in range(600):
            await work(h)
            h.time.move(SECOND)
        assert len(h.downloads) < 30
        assert (await h.the_delivery()).attempts_without_progress == 0


async def test_a_busy_host_that_does_not_say_until_when_is_asked_ever_more_seldom(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(0), retries=FEW) as h:
        await h.look()
        lie(h, fault("download", "status", code=429, **ALWAYS))
        pauses = []
        for _ in range(6):
            await work(h)
            waiting = await h.the_delivery()
            assert waiting.not_before is not None
            pauses.append(waiting.not_before - h.time.now())
            h.time.move(pauses[-1])
        assert pauses == sorted(pauses)
        assert (pauses[0], pauses[-1]) == (30 * SECOND, 5 * MINUTE)


async def test_a_host_that_is_busy_for_two_files_is_left_alone_for_all_of_them(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(*[0] * 6), retries=FEW) as h:
        await h.look()
        lie(h, fault("download", "status", code=503, retry_after=600, **ALWAYS))
        for _ in range(10):
            await work(h)
            h.time.move(MINUTE - SECOND)
        assert len(h.downloads) == 2
        lie(h)
        h.time.move(10 * SECOND)
        await work(h)
        await h.assert_all_stored()


async def test_one_file_that_a_host_is_busy_for_does_not_hold_the_others(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(0, 0, 0), retries=FEW) as h:
        await h.look()
        lie(h, about(0, "status", code=429, retry_after=600))
        await work(h)
        assert await states(h) == "wss"


@asynccontextmanager
async def under_way(h: House) -> AsyncIterator[None]:
    """The first download goes on and on."""
    first = asyncio.create_task(h.fetcher.fetch(await claimed(h)))
    while not h.simulator.connections[0]:
        await asyncio.sleep(0.001)
    try:
        yield
    finally:
        first.cancel()
        await asyncio.wait([first])
    while h.simulator.connections[0]:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("refusal", [403, 429, 503])
async def test_downloads_step_down_to_the_one_connection_that_the_host_takes(
    tmp_path: Path, refusal: int, events: LogCapture
) -> None:
    later = 1 if refusal == 503 else None
    scenario = scenes(0, 0, 0, 0, connections=1, refusal=refusal, retry_after=later)
    async with house(tmp_path, scenario, retries=FEW, stall=600) as h:
        await h.look()
        lie(h, HANGS)
        async with under_way(h):
            refused = await h.fetcher.fetch(await claimed(h))
            assert (refused.state, refused.attempts_without_progress) == (WAITING, 0)
            assert refused.not_before == h.time.now() + (later or 0) * SECOND
            await work(h)  # nobody asks: the host is full
            asked = 2 if refusal == 403 else 1  # a link of the first file's answer may have expired
            assert [e.status for e in h.downloads] == [200] + asked * [refusal]
        assert [e["connections"] for e in events.entries if e["event"] == "downloads.limited"] == [1]
        lie(h)
        h.time.move(SECOND)
        await work(h)
        await h.assert_all_stored()
        assert [e.status for e in h.downloads if e.status not in {200, 206}] == asked * [refusal]
        assert all(d.attempts_without_progress == 0 for d in await h.deliveries())


async def test_several_workers_bring_everything_from_a_host_that_takes_one_connection(tmp_path: Path) -> None:
    scenario = scenes(*[0] * 6, connections=1, refusal=403, rate=20_000)
    async with house(tmp_path, scenario, retries=PATIENT) as h:
        await h.look()
        stopping, slots = asyncio.Event(), DownloadSlots(4)
        workers = [asyncio.create_task(h.fetcher.work(h.todo, stopping, slots)) for _ in range(4)]
        while await states(h) != "ssssss":
            await asyncio.sleep(0.01)
            h.time.move(SECOND)
            h.todo.trigger()
        stopping.set()
        h.todo.trigger()
        await asyncio.gather(*workers)
        await h.assert_all_stored()


async def test_one_more_download_is_tried_where_nothing_was_refused_for_a_while(tmp_path: Path) -> None:
    async with house(tmp_path, scenes(0, 0, 0, connections=1), retries=FEW, stall=600) as h:
        await h.look()
        lie(h, HANGS)
        async with under_way(h):
            for asked in (2, 3):
                await work(h)
                assert len(h.downloads) == asked
                h.time.move(5 * MINUTE)


async def test_a_file_that_is_forbidden_is_given_up_and_costs_the_others_no_connection(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, scenes(0, 0), retries=FEW, stall=600) as h:
        await h.look()
        lie(h, HANGS, about(1, "status", code=403))
        async with under_way(h):
            assert (
                await h.fetcher.fetch(await claimed(h))
            ).attempts_without_progress == 0  # it may only lack a connection
        while (await delivery_of(h, "S1")).state is WAITING:
            await work(h)
            h.time.move(HOUR)
        assert await states(h) == "sg"
        assert h.fetcher._host_breakers.resting(h.time.now()) == []


async def claimed(h: House) -> Delivery:
    delivery = await h.fetcher.next()
    assert delivery is not None
    return delivery
