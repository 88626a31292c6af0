"""Each call that may change a file fails: its reason is said, and the next run on a sound disk mends it."""

from pathlib import Path

import pytest
from tests.crash import stories
from tests.crash.arena import staged
from tests.crash.sweep import failed

pytestmark = pytest.mark.long


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EROFS"])
@pytest.mark.parametrize(
    "story", [stories.nothing_is_here, stories.in_a_batch, stories.half_is_here_in_pieces]
)
async def test_an_error_of_any_call_breaks_no_promise(
    story: stories.Story, error: str, tmp_path: Path, driver: Path
) -> None:
    async with staged(tmp_path, driver, rate=stories.RATE) as stage:
        await story(stage)
        points, expected = await stage.rehearse()
        found = await failed(stage, points, expected, error)
    assert found.met > 0
    assert not found.wrong, found


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
async def test_calls_that_fail_for_ever_break_no_promise(error: str, tmp_path: Path, driver: Path) -> None:
    async with staged(tmp_path, driver) as stage:
        points, expected = await stage.rehearse()
        found = await failed(stage, points, expected, error, onwards=True)
    assert found.met > 0
    assert not found.wrong, found
