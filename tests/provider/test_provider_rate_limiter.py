"""The cadence of an account's requests, on a clock that only moves when somebody sleeps."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from aioresponses import CallbackResult
from aioresponses import aioresponses as fake_network
from hypothesis import given
from hypothesis import strategies as st
from tests.provider.kit import (
    CAPTURES,
    CONTRACTS,
    PLATFORM,
    SCENES,
    TASK,
    TOKEN,
    Desk,
    answer,
    page,
    scenes_of,
    sent,
)

from orderwatch.errors import UnavailableError
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.rate_limiter import MAX_GAP_SECONDS, MAX_WAIT_SECONDS, RateLimiter


def at_pace(requests_per_second: float) -> Credentials:
    return replace(PLATFORM, requests_per_second=requests_per_second)


async def queue(desk: Desk, pacer: RateLimiter, hosts: str) -> list[tuple[str, float]]:
    """Callers of these hosts, all at once: who was let through when."""
    passed: list[tuple[str, float]] = []

    async def caller(host: str) -> None:
        await pacer.acquire(host, "a request")
        passed.append((host, desk.at))

    await asyncio.gather(*map(caller, hosts))
    return passed


def gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


async def gap(desk: Desk, pacer: RateLimiter, host: str = "a") -> float:
    """Seconds between two requests."""
    times = []
    for _ in range(2):
        await pacer.acquire(host, "a request")
        times.append(desk.at)
    return times[1] - times[0]


# Pacer


async def test_requests_to_one_host_go_out_evenly_and_the_first_at_once(desk: Desk) -> None:
    passed = await queue(desk, desk.pacer(4), "aaaaa")
    assert [at for _, at in passed] == pytest.approx([1000, 1000.25, 1000.5, 1000.75, 1001])


async def test_who_was_silent_for_long_has_saved_nothing_for_a_burst(desk: Desk) -> None:
    pacer = desk.pacer(4)
    await pacer.acquire("a", "a request")
    desk.at += 3600
    times = [at for _, at in await queue(desk, pacer, "aaa")]
    assert gaps(times) == pytest.approx([0.25, 0.25])


async def test_hosts_do_not_wait_for_each_other(desk: Desk) -> None:
    pacer = desk.pacer(0.5)
    for host in "abc":
        await pacer.acquire(host, "a request")
    assert desk.slept == []


async def test_a_hold_is_for_every_host_and_ten_per_cent_longer_at_most(desk: Desk) -> None:
    pacer = desk.pacer()
    pacer.pause(5)
    await pacer.acquire("a", "a request")
    assert 1005 <= desk.at <= 1005.5
    pacer.pause(5)
    await pacer.acquire("b", "a request")
    assert 1010 <= desk.at <= 1011


async def test_who_queued_while_the_account_was_held_does_not_come_back_in_a_burst(desk: Desk) -> None:
    pacer = desk.pacer(4)
    pacer.pause(8)
    times = [at for _, at in await queue(desk, pacer, "aaaa")]
    assert times[0] >= 1008
    assert gaps(times) == pytest.approx([0.25] * 3)


async def test_a_shorter_hold_does_not_shorten_a_longer_one(desk: Desk) -> None:
    pacer = desk.pacer()
    pacer.pause(8)
    pacer.pause(3)
    assert 8 <= pacer.pause_left <= 8.8
    await pacer.acquire("a", "a request")
    assert desk.at >= 1008
    assert pacer.pause_left == 0


async def test_nobody_waits_long_inside_a_call_and_is_told_how_long_it_would_be(desk: Desk) -> None:
    pacer = desk.pacer()
    pacer.pause(600)
    with pytest.raises(
        UnavailableError, match=r"^a request: the provider requires a pause of 6\d\d s more$"
    ) as caught:
        await pacer.acquire("a", "a request")
    assert 600 <= caught.value.wait <= 660
    assert caught.value.wait == pacer.pause_left
    assert desk.slept == []
    desk.at += pacer.pause_left
    await pacer.acquire("a", "a request")


async def test_who_waits_already_is_held_by_a_hold_that_begins(desk: Desk) -> None:
    pacer = desk.pacer(0.2)

    async def throttled(seconds: float) -> None:
        await Desk.sleep(desk, seconds)
        pacer.pause(600)

    pacer.sleep = throttled
    with pytest.raises(UnavailableError) as caught:
        await queue(desk, pacer, "aa")
    assert caught.value.wait >= 600
    assert desk.slept == [5]


async def test_a_caller_who_gives_up_keeps_no_place_in_the_queue(desk: Desk) -> None:
    waiting = asyncio.Event()

    async def for_ever(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    pacer = RateLimiter("main", 1, monotonic=desk.monotonic, sleep=for_ever, rng=random.Random(7))
    await pacer.acquire("a", "a request")
    impatient = asyncio.create_task(pacer.acquire("a", "a request"))
    await waiting.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    desk.at += 1
    await pacer.acquire("a", "a request")


async def test_the_gap_doubles_with_trouble_up_to_the_slowest_and_comes_back(desk: Desk) -> None:
    pacer = desk.pacer(1)
    found = []
    for overloaded in [*[True] * 5, *[False] * 10]:
        await pacer.on_response("a", overloaded=overloaded, wait=0)
        found.append(await gap(desk, pacer))
    assert found[:5] == pytest.approx([2, 4, 8, MAX_GAP_SECONDS, MAX_GAP_SECONDS])
    assert found[5:8] == pytest.approx([7.5, 5.625, 4.21875])
    assert found[-2:] == pytest.approx([1, 1])


async def test_the_trouble_of_one_host_is_none_of_the_others(desk: Desk) -> None:
    pacer = desk.pacer(1)
    await pacer.on_response("a", overloaded=True, wait=0)
    assert await gap(desk, pacer, "b") == pytest.approx(1)
    assert await gap(desk, pacer, "a") == pytest.approx(2)


async def test_a_pace_below_the_slowest_is_kept_in_trouble_and_out_of_it(desk: Desk) -> None:
    pacer = desk.pacer(1 / 60)
    for overloaded in (True, False):
        await pacer.on_response("a", overloaded=overloaded, wait=0)
        assert await gap(desk, pacer) == pytest.approx(60)


async def test_only_an_overloaded_host_can_hold_the_account(desk: Desk) -> None:
    pacer = desk.pacer(1)
    await pacer.on_response("a", overloaded=False, wait=5)
    assert pacer.pause_left == 0
    await pacer.on_response("a", overloaded=True, wait=5)
    assert 5 <= pacer.pause_left <= 5.5


steps = st.lists(
    st.tuples(st.sampled_from(["turn", "turn", "slower", "faster", "hold", "pass"]), st.sampled_from("ab")),
    max_size=40,
)


@given(steps, st.floats(0.05, 50), st.floats(0, 2 * MAX_WAIT_SECONDS))
def test_whatever_happens_two_requests_to_a_host_are_never_too_close_and_none_is_sent_while_held(
    story: list[tuple[str, str]], pace: float, seconds: float
) -> None:
    desk = Desk()
    pacer = desk.pacer(pace)
    sent_at: dict[str, list[float]] = {"a": [], "b": []}

    async def play() -> None:
        for step, host in story:
            match step:
                case "turn":
                    try:
                        await pacer.acquire(host, "a request")
                    except UnavailableError as error:
                        assert error.wait > MAX_WAIT_SECONDS  # noqa: PT017 - whether it raises is not the question
                        continue
                    assert pacer.pause_left == 0
                    sent_at[host].append(desk.at)
                case "hold":
                    pacer.pause(seconds)
                case "pass":
                    desk.at += seconds
                case _:
                    await pacer.on_response(host, overloaded=step == "slower", wait=0)

    asyncio.run(play())
    assert all(apart >= 0.999 / pace for times in sent_at.values() for apart in gaps(times))
    assert all(slept <= max(MAX_WAIT_SECONDS, MAX_GAP_SECONDS, 1 / pace) + 1e-6 for slept in desk.slept)


# Through the one request


def noting(desk: Desk, times: list[float], *statuses: int, **headers: str) -> object:
    """Answers with these statuses in turn, then well, and notes when it was asked."""
    left = iter(statuses)

    def reply(_url: object, **_sent: object) -> CallbackResult:
        times.append(desk.at)
        status = next(left, 200)
        fine = {"payload": answer("task")} if status == 200 else {"headers": headers}
        return CallbackResult(status=status, **fine)

    return reply


@pytest.mark.parametrize("status", [429, 500, 503, 504])
async def test_a_host_in_trouble_is_asked_ever_more_seldom_and_then_again_at_its_pace(
    net: fake_network, desk: Desk, status: int
) -> None:
    times: list[float] = []
    net.get(TASK, callback=noting(desk, times, status, status, status), repeat=True)
    async with desk.connect(at_pace(1)) as provider:
        with pytest.raises(UnavailableError):
            await provider.tasking.order("23272")
        for _ in range(12):
            await provider.tasking.order("23272")
    assert gaps(times)[:7] == pytest.approx([1, 2, 4, 8, 6, 4.5, 3.375])
    assert gaps(times)[-2:] == pytest.approx([1, 1])


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_an_answer_that_is_no_overload_slows_nothing(
    net: fake_network, desk: Desk, status: int
) -> None:
    times: list[float] = []
    net.get(TASK, callback=noting(desk, times, *[status] * 3), repeat=True)
    async with desk.connect(at_pace(4)) as provider:
        await asyncio.gather(*(provider.tasking.order("23272") for _ in range(5)), return_exceptions=True)
    assert gaps(times) == pytest.approx([0.25] * 4)


async def test_a_short_pause_that_one_api_asks_for_is_waited_for_by_a_request_for_a_token(
    silence: fake_network, desk: Desk
) -> None:
    asked: list[float] = []

    def give(_url: object, **_sent: object) -> CallbackResult:
        asked.append(desk.at)
        return CallbackResult(payload={"access_token": "canary-token"})

    silence.post(TOKEN, callback=give, repeat=True)
    silence.get(TASK, status=503, headers={"Retry-After": "8"}, repeat=True)
    silence.get(CONTRACTS, payload=page())
    async with desk.connect() as provider:
        assert provider.contracts
        with pytest.raises(UnavailableError):
            await provider.tasking.order("23272")
        refused_at = desk.at
        await provider.contracts.contracts()
    assert asked[0] == 1000
    assert 8 <= asked[1] - refused_at <= 8.8


@pytest.mark.parametrize("who", ["archive", "accounts"])
async def test_a_long_pause_of_one_api_is_everybodys(net: fake_network, desk: Desk, who: str) -> None:
    """Also of who would need another token first, which is not asked for then."""
    net.get(TASK, status=503, headers={"Retry-After": "600"})
    net.get(SCENES, payload=answer("scenes"))
    net.get(CONTRACTS, payload=answer("contracts"))
    async with desk.connect() as provider:
        with pytest.raises(UnavailableError) as asked:
            await provider.tasking.order("23272")
        assert asked.value.wait == 600
        assert provider.contracts
        calls = {
            "archive": lambda: scenes_of(provider),
            "accounts": provider.contracts.contracts,
        }
        with pytest.raises(UnavailableError) as held:
            await calls[who]()
    assert 600 <= held.value.wait <= 660
    assert [request.url for request in sent(net)] == [TOKEN, TASK]


async def test_a_pause_that_the_token_endpoint_asks_for_holds_the_apis_too(
    silence: fake_network, desk: Desk
) -> None:
    silence.post(TOKEN, payload={"access_token": "canary-token", "expires_in": 1000})
    silence.post(TOKEN, status=429, headers={"Retry-After": "600"})
    silence.get(TASK, payload=answer("task"))
    async with desk.connect() as provider:
        await provider.tasking.order("23272")
        assert provider.contracts
        with pytest.raises(UnavailableError, match=r"^token: 429$") as caught:
            await provider.contracts.contracts()
        assert caught.value.wait == 600
        with pytest.raises(UnavailableError, match="requires a pause of"):
            await provider.tasking.order("23272")
    assert len(sent(silence, TASK)) == 1


async def test_token_requests_have_a_cadence_of_their_own(silence: fake_network, desk: Desk) -> None:
    times: list[float] = []

    def give(_url: object, **_sent: object) -> CallbackResult:
        times.append(desk.at)
        return CallbackResult(payload={"access_token": "canary-token"})

    silence.post(TOKEN, callback=give, repeat=True)
    silence.get(CAPTURES, payload=page())
    silence.get(CONTRACTS, payload=page())
    async with desk.connect(at_pace(0.25)) as provider:
        assert provider.contracts
        [c async for c in provider.tasking.captures("23272")]
        await provider.contracts.contracts()
    assert times == [1000, 1004]
