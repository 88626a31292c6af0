import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash import strace_kit


@pytest.fixture(scope="session")
def driver() -> Iterator[Path]:
    """The socket of a fork server that lives as long as this worker's tests."""
    if reason := strace_kit.missing():
        pytest.skip(reason)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORDERWATCH_", "NOTIFY_"))}
    repository = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory(prefix="orderwatch-") as folder:
        socket = Path(folder, "socket")
        command = [sys.executable, "-m", "tests.crash.driver", str(socket)]
        server = subprocess.Popen(command, cwd=repository, env=kept, stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield socket
        server.terminate()
        server.wait()
        server.stdout.close()
