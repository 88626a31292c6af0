"""Power cuts on a disk of our own: what a killed run had not made durable is gone as well."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from tests.crash import naive, power, stories
from tests.crash.arena import staged
from tests.crash.power import Disk
from tests.crash.sweep import Blow, killed, killed_again_and_again

pytestmark = pytest.mark.long


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if reason := power.missing():
        pytest.skip(reason)
    with power.disk(tmp_path) as made:
        yield made


@pytest.mark.parametrize("commit", [False, True], ids=["at-once", "after-a-commit"])
@pytest.mark.parametrize("lost", [("tree", "state"), ("tree",), ("state",)], ids="-and-".join)
async def test_a_power_cut_at_any_call_breaks_no_promise(
    lost: tuple[str, ...], *, commit: bool, disk: Disk, tmp_path: Path, driver: Path
) -> None:
    async with staged(tmp_path / "stage", driver) as stage:
        points, expected = await stage.rehearse()
        found = await killed(stage, points, expected, Blow(disk, lost, commit=commit))
    assert found.met > found.played * 0.8  # as in the other sweep
    assert not found.wrong, found


@pytest.mark.parametrize(
    "story", [stories.in_a_batch, stories.in_small_steps, stories.half_is_here_in_pieces]
)
async def test_a_power_cut_breaks_no_promise_however_it_began(
    story: stories.Story, disk: Disk, tmp_path: Path, driver: Path
) -> None:
    async with staged(tmp_path / "stage", driver, rate=stories.RATE) as stage:
        await story(stage)
        points, expected = await stage.rehearse()
        found = await killed(stage, points, expected, Blow(disk))
    assert found.met > len(points) * 0.8  # as in the other sweep
    assert not found.wrong, found


@pytest.mark.parametrize("lost", [("tree", "state"), ("tree",)], ids="-and-".join)
async def test_several_crashes_of_one_delivery_break_no_promise(
    lost: tuple[str, ...], disk: Disk, tmp_path: Path, driver: Path
) -> None:
    async with staged(tmp_path / "stage", driver) as stage:
        points, expected = await stage.rehearse()
        blow, draw = Blow(disk, lost), Random(20261122)
        found = await killed_again_and_again(stage, points, expected, blow, histories=60, draw=draw)
    assert found.met > found.played * 0.5
    assert not found.wrong, found


@pytest.mark.parametrize("protocol", [naive.renamed_without_sync, naive.renamed_without_sync_of_the_folder])
async def test_a_naive_protocol_does_not_survive_power_cuts(
    protocol: Callable[[], None], disk: Disk, tmp_path: Path, driver: Path
) -> None:
    """The database is on another disk: a commit of its own would save the folder's entry by luck."""
    async with staged(tmp_path / "stage", driver) as stage:
        await stories.as_told_by(protocol)(stage)
        points, expected = await stage.rehearse()
        found = await killed(stage, points, expected, Blow(disk))
    assert found.wrong, "a sweep that sees nothing wrong here proves nothing"
