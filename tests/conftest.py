import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests import databases, object_store, postgres
from tests.databases import new_database

# The same examples in every run: a red build is red again elsewhere. `--hypothesis-profile=default` hunts.
settings.register_profile("steady", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("steady")


def pytest_collection_finish() -> None:
    """Thousands of tests are in memory now: the collector need not walk them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_unconfigure() -> None:
    databases.stop_server()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An empty database at head, on a real file."""
    return new_database(tmp_path)


@pytest.fixture(scope="session")
def forks() -> Iterator[Path]:
    """The socket of a fork server that lives as long as this worker's tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORDERWATCH_", "NOTIFY_"))}
    repository = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="orderwatch-") as folder:
        socket = Path(folder, "socket")
        command = [sys.executable, "-m", "tests.forks", str(socket)]
        server = subprocess.Popen(command, cwd=repository, env=kept, stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield socket
        server.terminate()
        server.wait()
        server.stdout.close()


@pytest.fixture(scope="session")
def server() -> postgres.Server:
    return databases.server()


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[object_store.Server]:
    with object_store.running() as running:
        yield running
