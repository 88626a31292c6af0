"""Which command it is, before click has a say."""

import pytest

from orderwatch.cli import _is_run


@pytest.mark.parametrize(
    ("arguments", "is_run"),
    [
        ("run", True),
        ("--config run run", True),
        ("--config=x run --config y", True),
        ("place run", False),
        ("--config run", False),
        ("--help", False),
        ("", False),
    ],
)
def test_only_the_daemon_heeds_signals_from_the_start(arguments: str, is_run: bool) -> None:  # noqa: FBT001 - a table
    assert _is_run(arguments.split()) is is_run
