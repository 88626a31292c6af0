"""Cancelling: asked for once, looked up where the answer is lost, told in the history with who and why."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.ordering.ordering_kit import Blow, Desk, Killed
from tests.service.service_kit import EVERYTHING, PACE, House, house

from orderwatch.core.model import OrderPhase
from orderwatch.core.ordering.provenance import Provenance
from orderwatch.errors import MissingError, ProviderError, RefusedError, RejectedError, UnavailableError
from orderwatch.service.account_context import AccountContext
from orderwatch.service.ordering.canceller import Canceller, CancelResult
from orderwatch.service.polling.recorder import Recorder
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator import Scenario
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Capture, Order, Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACT = Provenance(who="ada@desk", note="too cloudy")
BY = "by ada@desk, note: too cloudy"


async def _placed(desk: Desk) -> int:
    await desk.place()
    desk.simulator.journal.clear()
    [task_id] = desk.held()
    return task_id


async def _cancelled(desk: Desk, task_id: int, blow: Blow | None = None) -> CancelResult:
    async with desk.process(blow) as process:
        return await process.canceller.cancel(str(task_id), ACT)


def _asked(desk: Desk) -> int:
    return desk.simulator.journal.count(method="PATCH")


def _is_cancelled(desk: Desk, task_id: int) -> bool:
    order = next(order for order in desk.simulator.scenario.orders if order.task_id == task_id)
    return order.status[-1][1] == "canceled"


async def _told(desk: Desk, task_id: int) -> list[str]:
    """What the history says since the order was placed."""
    return [move.detail or "" for move in await desk.moves(task_id)][1:]


async def test_a_cancelled_order_tells_who_did_it_and_why(desk: Desk) -> None:
    task_id = await _placed(desk)
    done = await _cancelled(desk, task_id)
    assert (done.seen.phase, done.sent, done.lost) == (OrderPhase.CANCELED, True, None)
    assert await _told(desk, task_id) == [f"about to be cancelled {BY}", f"cancelled {BY}"]
    order = await desk.store.orders.get("main", str(task_id))
    assert order is not None
    assert order.ours
    assert order.next_look_at is not None
    assert order.next_look_at <= desk.time.now()


LOST = [
    {"kind": "reset"},
    {"kind": "status", "code": 500},
    {"kind": "status", "code": 503},
    {"kind": "status", "code": 408},
    {"kind": "html"},
]


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: " ".join(map(str, fault.values())))
async def test_a_lost_answer_is_looked_up_and_not_asked_for_again(
    desk: Desk, fault: dict[str, object], *, late: bool
) -> None:
    task_id = await _placed(desk)
    desk.misbehave(Fault.model_validate({"on": "cancel", "late": late, **fault}))
    done = await _cancelled(desk, task_id)
    assert done.sent
    assert done.lost
    assert done.over is late is _is_cancelled(desk, task_id)
    assert _asked(desk) == 1
    _, said = await _told(desk, task_id)
    assert said.startswith(f"{'cancelled' if late else 'possibly cancelled'} {BY}; the response was lost: ")


@pytest.mark.parametrize("kind", ["cut", "malformed"])
async def test_half_an_answer_is_none(desk: Desk, kind: str) -> None:
    task_id = await _placed(desk)
    desk.misbehave(Fault.model_validate({"on": "cancel", "kind": kind}))
    done = await _cancelled(desk, task_id)
    assert (done.over, _asked(desk)) == (True, 1)


async def test_what_nothing_shows_stays_perhaps_cancelled(desk: Desk) -> None:
    task_id = await _placed(desk)
    desk.misbehave(
        Fault(on="cancel", kind="reset", late=True), Fault(on="task", kind="status", after=1, times=0)
    )
    done = await _cancelled(desk, task_id)
    assert (done.over, bool(done.lost), _asked(desk)) == (False, True, 1)
    desk.misbehave()
    found = await _cancelled(desk, task_id)  # the user looks again: it is over, nothing is sent
    assert (found.seen.phase, found.sent, _asked(desk)) == (OrderPhase.CANCELED, False, 1)


@pytest.mark.parametrize(
    ("code", "error"),
    [(400, RejectedError), (403, RefusedError), (404, MissingError), (429, UnavailableError)],
)
async def test_a_refusal_is_recorded_with_its_reason(
    desk: Desk, code: int, error: type[ProviderError]
) -> None:
    task_id = await _placed(desk)
    desk.misbehave(Fault(on="cancel", kind="status", code=code))
    with pytest.raises(error):
        await _cancelled(desk, task_id)
    assert _asked(desk) == 1
    assert not _is_cancelled(desk, task_id)
    about, said = await _told(desk, task_id)
    assert about == f"about to be cancelled {BY}"
    assert said.startswith(f"not cancelled {BY}: tasking: PATCH ")
    assert str(code) in said


@pytest.mark.parametrize("word", ["completed", "failed", "rejected", "canceled", "expired"])
async def test_an_order_that_is_over_is_left_alone(desk: Desk, word: str) -> None:
    desk.become(orders=(Order(task_id=desk.days * 1000, status=((-1, word),)),))
    done = await _cancelled(desk, desk.days * 1000)
    assert (done.seen.status, done.sent, _asked(desk)) == (word, False, 0)


async def test_an_order_that_nobody_here_knew_is_known_from_then_on(desk: Desk) -> None:
    task_id = desk.days * 1000 + 5
    desk.become(orders=(Order(task_id=task_id),))
    done = await _cancelled(desk, task_id)
    assert done.over
    first, then = await desk.moves(task_id)
    assert (first.before, first.after, first.detail) == (None, "received", f"about to be cancelled {BY}")
    assert (then.after, then.detail) == ("canceled", f"cancelled {BY}")


async def test_one_that_the_provider_does_not_know_leaves_nothing(desk: Desk) -> None:
    with pytest.raises(MissingError):
        await _cancelled(desk, 999_999)
    assert await desk.moves(999_999) == []
    assert _asked(desk) == 0


@pytest.mark.parametrize("late", [True, pytest.param(False, marks=pytest.mark.long)], ids=["after", "before"])
async def test_killed_at_any_step_the_history_knows_what_was_about_to_be(desk: Desk, *, late: bool) -> None:
    at, killed = 0, True
    while killed:
        at += 1
        desk.new_day()
        task_id = await _placed(desk)
        desk.misbehave(Fault(on="cancel", kind="reset", late=late))
        try:
            await _cancelled(desk, task_id, Blow(at))
        except Killed:
            if _asked(desk):
                assert f"about to be cancelled {BY}" in await _told(desk, task_id)
        else:
            killed = False
        assert _asked(desk) <= 1
        desk.misbehave()
        done = await _cancelled(desk, task_id)
        assert done.over
        assert _is_cancelled(desk, task_id)
    assert at > 8, "there are more steps than that"


async def test_what_was_published_of_it_before_still_comes(tmp_path: Path) -> None:
    done = Capture(status=((0, "captured"), (5, "published")), scenes=(Scene(size=9_000),))
    coming = Capture(status=((0, "captured"), (600, "published")), scenes=(Scene(size=9_000),))
    never = Capture(status=((0, "planned"), (600, "published")), scenes=(Scene(size=9_000),))
    order = Order(task_id=7, status=((0, "in_progress"),), captures=(done, coming, never))
    async with house(tmp_path, Scenario(orders=(order,))) as home:
        home.time.move(timedelta(seconds=10))
        assert (await _canceller(home).cancel("7", ACT)).over
        await home.look()
        await home.fetch_all()
        assert len(home.tree) == 1
        for _ in range(4):
            home.time.move(timedelta(hours=1))
            await home.look()
            await home.fetch_all()
        await home.assert_all_stored()
        assert len(home.tree) == 2
        captures = (await home.the_order()).captures
        assert sorted({capture.status.word for capture in captures}) == ["canceled", "published"]


def _canceller(home: House) -> Canceller:
    now = home.time.now
    context = AccountContext(account="main", store=home.store, pace=PACE, now=now, rng=home.rng)
    recorder = Recorder(context, EVERYTHING, todo=Wakeup())
    return Canceller(home.connection.tasking, recorder, now=now, sleep=home.time.sleep)
