from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from orderwatch.simulator import Scenario, Simulator, serve

EPOCH = datetime(2026, 7, 14, 7, 40, 41, tzinfo=UTC)


@pytest.fixture
def hand() -> list[float]:
    """The hand of the simulators' clock, in seconds: tests move time, they never wait for it."""
    return [0.0]


@pytest.fixture
async def start(hand: list[float]) -> AsyncIterator[Callable[[Scenario], Awaitable[Simulator]]]:
    async with AsyncExitStack() as stack:

        async def begin(scenario: Scenario) -> Simulator:
            return await stack.enter_async_context(
                serve(scenario, clock=lambda: hand[0], now=lambda: EPOCH + timedelta(seconds=hand[0]))
            )

        yield begin


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
