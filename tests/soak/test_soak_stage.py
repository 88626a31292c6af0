"""What `make soak` slows down is there, so that a rename does not end it."""

import sys

import pytest
from tests.soak.stage import PERIODS


@pytest.mark.parametrize(("module", "constant"), [(module, constant) for module, constant, _ in PERIODS])
def test_the_soak_finds_every_period_that_it_changes(module: str, constant: str) -> None:
    assert hasattr(sys.modules[f"orderwatch.{module}"], constant)
