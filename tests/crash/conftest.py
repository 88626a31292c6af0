from pathlib import Path

import pytest
from tests.crash import strace_kit


@pytest.fixture(scope="session")
def driver(forks: Path) -> Path:
    """The fork server, where its children can be traced."""
    if reason := strace_kit.missing():
        pytest.skip(reason)
    return forks
