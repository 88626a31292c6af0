import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from tests.servers.catalogue import IN_CI, SERVERS, Facts
from tests.servers.processes import NoServerError
from tests.servers.server import Server


@dataclass(frozen=True)
class Running:
    name: str
    facts: Facts
    server: Server


@pytest.fixture(scope="session")
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The server with this name, for all its tests."""
    assert request.config.cache is not None
    cache, facts = request.config.cache.mkdir("servers"), SERVERS[request.param]
    with ExitStack() as stack:
        try:
            server = stack.enter_context(facts.start(cache))
        except NoServerError as error:
            if os.environ.get("CI") and request.param in IN_CI:
                pytest.fail(str(error))
            pytest.skip(str(error))
        yield Running(request.param, facts, server)
