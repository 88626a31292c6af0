"""kill -9 at the entry of each call that may change a file: what is promised holds, and goes on holding."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.crash import naive, stories
from tests.crash.arena import staged
from tests.crash.strace_kit import Point
from tests.crash.sweep import killed, killed_until_it_completes

SHARES = 10


@pytest.mark.parametrize(
    "share", [pytest.param(share, marks=pytest.mark.long if share else ()) for share in range(SHARES)]
)
async def test_a_kill_at_any_call_breaks_no_promise(share: int, tmp_path: Path, driver: Path) -> None:
    async with staged(tmp_path, driver) as stage:
        points, expected = await stage.rehearse()
        found = await killed(
            stage, [p for p in points if _is_often(p) and p.share(SHARES) == share], expected
        )
    assert (
        found.met > found.played * 0.8
    )  # threads share the calls differently each time, strace counts by thread
    assert not found.wrong, found


def _is_often(point: Point) -> bool:
    """Of SQLite's own writes between two flushes some will do here; the sweep plays them all."""
    return point.kind != "pwrite64" or point.path.endswith(".db") or point.number % 5 == 1


@pytest.mark.parametrize(
    "protocol",
    [pytest.param(naive.final_name_directly, marks=pytest.mark.long), naive.recorded_before_renamed],
)
async def test_a_naive_protocol_is_found_out(
    protocol: Callable[[], None], tmp_path: Path, driver: Path
) -> None:
    async with staged(tmp_path, driver) as stage:
        await stories.as_told_by(protocol)(stage)
        points, expected = await stage.rehearse()
        found = await killed(stage, [p for p in points if p.path.startswith("tree")], expected)
    assert found.wrong, "a sweep that sees nothing wrong here proves nothing"


@pytest.mark.long
@pytest.mark.parametrize(
    "story",
    [
        stories.nothing_is_here,
        stories.in_a_batch,
        stories.in_small_steps,
        stories.half_is_here,
        stories.half_is_here_in_pieces,
        stories.the_name_is_taken,
    ],
)
async def test_a_kill_breaks_no_promise_however_it_began(
    story: stories.Story, tmp_path: Path, driver: Path
) -> None:
    async with staged(tmp_path, driver, rate=stories.RATE) as stage:
        await story(stage)
        points, expected = await stage.rehearse()
        found = await killed_until_it_completes(stage, points, expected)
    assert found.met > len(points) * 0.8  # as above; connections share a file differently, too
    assert not found.wrong, found
