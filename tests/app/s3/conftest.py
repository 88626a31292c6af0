from collections.abc import Awaitable, Callable

import pytest
from tests.app.app_rig import Rigged
from tests.app.s3.bucket_kit import Home
from tests.object_store import Server

from orderwatch.simulator.scenario import Scenario

Homed = Callable[[Scenario], Awaitable[Home]]


@pytest.fixture
async def homed(rigged: Rigged, bucket_server: Server) -> Homed:
    """Set up a machine with a bucket, and a provider that lives the given scenario."""

    async def set_up(scenario: Scenario) -> Home:
        home = Home(await rigged(scenario), bucket_server)
        home.configure()
        return home

    return set_up
