"""Killed before or after any step, of placing and of finding out: one order in the end, and never two."""

from random import Random

import pytest
from tests.ordering.ordering_kit import LONG, Blow, Desk, Killed

from orderwatch.core.ordering.intent import IntentState
from orderwatch.simulator.faults import Fault

_S = IntentState
pytestmark = pytest.mark.asyncio(loop_scope="module")

FAULTS: dict[str, tuple[Fault, ...]] = {
    "none": (),
    "lost": (Fault(on="place", kind="reset"),),
    "lost after it was taken": (Fault(on="place", kind="reset", late=True),),
    "500": (Fault(on="place", kind="status", code=500),),
    "500 after it was taken": (Fault(on="place", kind="status", code=500, late=True),),
    "lost, no list": (
        Fault(on="place", kind="reset", late=True),
        Fault(on="tasks", kind="status", after=1, times=6),
    ),
    "busy": (Fault(on="place", kind="status", code=429),),
    "no": (Fault(on="place", kind="status", code=400),),
}
RARE = {"500", "500 after it was taken", "busy", "no"}  # which leave what others do
LAGS = (0.0, 30.0)
HISTORIES = 15


async def _killed(desk: Desk, at: int, *, resume: bool = False, anew: bool = False) -> bool:
    """Whether a run ended so; what it left is no lie."""
    try:
        await desk.place(resume=resume, blow=Blow(at, anew=anew))
    except Killed:
        killed = True
    else:
        killed = False
    rows = await desk.intents()
    if rows:
        await desk.must_be_true(rows[-1])
    if desk.held():
        assert rows[-1].state.open or rows[-1].state is _S.PLACED
        assert rows[-1].sends >= 1
    return killed


async def _resumed(desk: Desk) -> None:
    """The provider is honest again, the user says `--resume`, and it is placed once."""
    desk.misbehave()
    outcome = await desk.place(resume=True)
    assert outcome is not None
    assert outcome.intent.state is _S.PLACED
    await desk.must_be_placed_once()
    posts = desk.posts
    again = await desk.place(resume=True)
    assert again is not None
    assert (again.fresh, desk.posts) == (False, posts)


@pytest.mark.parametrize(
    "faults", [pytest.param(name, marks=pytest.mark.long if name in RARE else ()) for name in FAULTS]
)
async def test_a_kill_at_any_step_leaves_one_order(desk: Desk, faults: str) -> None:
    at, killed = 0, True
    while killed:
        at += 1
        desk.new_day()
        desk.misbehave(*FAULTS[faults])
        killed = await _killed(desk, at)
        if not killed and faults in {"none", "lost after it was taken", "500 after it was taken"}:
            await desk.must_be_placed_once(sends=1)
        await _resumed(desk)
    assert at > 8, "there are more steps than that"


@pytest.mark.parametrize("taken", [False, True], ids=["lost", "taken"])
async def test_a_kill_at_any_step_of_finding_out_leaves_one_order(desk: Desk, *, taken: bool) -> None:
    at, killed = 0, True
    while killed:
        at += 1
        desk.new_day()
        desk.become(listing_lag=30.0)
        desk.misbehave(
            Fault(on="place", kind="reset", late=taken), Fault(on="place", kind="reset", late=True)
        )
        await desk.place()
        desk.become(listing_lag=0.0)
        desk.time.move(LONG)
        killed = await _killed(desk, at, resume=True)
        await _resumed(desk)
    assert at > 10, "there are more steps than that"


async def tell(desk: Desk, draw: Random) -> str:
    """Several runs, each killed somewhere, with whatever trouble the provider makes meanwhile."""
    desk.new_day()
    desk.become(listing_lag=draw.choice(LAGS))
    told = []
    for _ in range(draw.randint(2, 4)):
        name, at, resume = draw.choice(list(FAULTS)), draw.randint(1, 26), draw.random() < 0.7
        desk.misbehave(*FAULTS[name])
        told.append(f"{name}, {at}{', resume' if resume else ''}")
        await _killed(desk, at, resume=resume, anew=True)
        desk.time.seconds += draw.choice([0, 1, 45, 3600])
    await _resumed(desk)
    return "; ".join(told)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
async def test_kills_of_the_recovery_leave_one_order(desk: Desk, seed: int) -> None:
    draw = Random(seed)
    for _ in range(HISTORIES // 3):
        await tell(desk, draw)


@pytest.mark.long
async def test_kills_of_the_recovery_leave_one_order_however_they_fall(desk: Desk) -> None:
    seed = Random().randrange(10**9)
    draw = Random(seed)
    for number in range(500):
        try:
            await tell(desk, draw)
        except AssertionError as error:
            error.add_note(f"history {number} of seed {seed}")
            raise
