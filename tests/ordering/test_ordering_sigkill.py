"""kill -9 of the real command at every step: exactly one order after `--resume`."""

from pathlib import Path
from random import Random

import pytest
from tests.ordering.counter_kit import KILLED, open_counter

from orderwatch.simulator.faults import Fault

ROUNDS = 100
FAULTS: tuple[tuple[Fault, ...], ...] = (
    (),
    (Fault(on="place", kind="reset"),),
    (Fault(on="place", kind="reset", late=True),),
    (Fault(on="place", kind="status", code=500),),
    (Fault(on="place", kind="status", code=500, late=True),),
    (Fault(on="place", kind="cut"),),
    (Fault(on="place", kind="status", code=429),),
)


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.long)])
async def test_a_command_that_is_killed_at_any_step_has_placed_one_order_after_resume(
    tmp_path: Path, forks: Path, stride: int
) -> None:
    async with open_counter(tmp_path, forks) as counter:
        at, code = 1 - stride, KILLED
        while code == KILLED:
            at += stride
            file = counter.new_file()
            code = (await counter.place(file, kill_at=at)).code
            await counter.must_be_no_lie(file)
            ended = await counter.place(file, "--resume")
            assert ended.code == 0, ended
            await counter.must_be_placed_once(file)
        assert code == 0
        assert at > 6, "there are more steps than that"


@pytest.mark.long
async def test_kills_at_any_step_and_of_the_recovery_leave_one_order(tmp_path: Path, forks: Path) -> None:
    seed = Random().randrange(10**9)
    draw = Random(seed)
    async with open_counter(tmp_path, forks) as counter:
        for number in range(ROUNDS):
            file, story = counter.new_file(), []
            counter.rig.simulator._replace_scenario(
                counter.rig.simulator.scenario.model_copy(update={"listing_lag": draw.choice([0.0, 0.2])})
            )
            for resume in (False, *draw.choices([False, True], k=draw.randint(0, 2))):
                faults, at = draw.choice(FAULTS), draw.randint(1, 13)
                counter.misbehave(*faults)
                options = ["--resume"] if resume else []
                ended = await counter.place(file, *options, kill_at=at)
                story.append(f"{options} killed at {at}: {ended.code}")
                assert "Traceback" not in ended.err, ended
            counter.misbehave()
            try:
                assert (await counter.place(file, "--resume")).code == 0
                await counter.must_be_placed_once(file)
            except (AssertionError, ValueError) as error:
                error.add_note(f"round {number} of seed {seed}: {'; '.join(story)}")
                raise
