from pathlib import Path

import pytest
from hypothesis import settings
from tests.databases import new_database

# The same examples in every run: a red build is red again elsewhere. `--hypothesis-profile=default` hunts.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An empty database at head, on a real file."""
    return new_database(tmp_path)
