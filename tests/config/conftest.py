"""No test of the configuration looks at the state or the credentials of this machine."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATE_DIRECTORY", str(tmp_path_factory.mktemp("state")))
        patch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        yield
