from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.systemd.guest import Guest, NoGuestError, machine


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A machine of its own with a real systemd, for all tests of a file."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(machine(tmp_path_factory.mktemp("guest")))
        except NoGuestError as error:
            pytest.skip(f"no guest here: {error}")
        yield started
