from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.servers.packages import STAC_PACKAGES, python_programs
from tests.servers.processes import NoServerError
from tests.servers.stac.library import Library, documents
from tests.servers.stac.pgstac import Pgstac
from tests.servers.stac.postgres import postgres


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Path:
    """The folder of programs of a virtual environment with the STAC packages."""
    assert request.config.cache is not None
    try:
        return python_programs(request.config.cache.mkdir("servers"), STAC_PACKAGES)
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def pgstac(programs: Path) -> Iterator[Pgstac]:
    """A server of databases, for all tests."""
    with ExitStack() as stack:
        try:
            environment = stack.enter_context(postgres())
        except NoServerError as error:
            pytest.skip(str(error))
        yield Pgstac(programs, environment)


@pytest.fixture(scope="session")
def library(pgstac: Pgstac) -> Library:
    """A database with items that no test changes."""
    filled = pgstac.new("library")
    made = documents()
    filled.load("items", made)
    return Library(filled, made)
