"""However the one request ends: what is said of it is the truth, and in the end there is one order."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from tests.ordering.ordering_kit import LONG, WAIT, Desk

from orderwatch.core.ordering.intent import IntentState
from orderwatch.provider import placing, transport
from orderwatch.service.ordering import order_requests
from orderwatch.simulator.faults import Fault

_S = IntentState
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class End:
    """What happens to the request, whether the provider takes it, and what is to be said then."""

    fault: dict[str, Any]
    taken: bool
    said: IntentState


def _unclear(**fault: object) -> list[End]:
    """The same before and after it was taken; what was taken shows in the list."""
    return [
        End({**fault}, taken=False, said=_S.UNCLEAR),
        End({**fault, "late": True}, taken=True, said=_S.PLACED),
    ]


ENDS = [
    *_unclear(kind="reset"),
    *(end for code in (500, 501, 502, 503, 504, 522, 408) for end in _unclear(kind="status", code=code)),
    *_unclear(kind="html"),
    *_unclear(kind="delay", seconds=30),
    End({"kind": "reset", "at": 0.5}, taken=True, said=_S.PLACED),
    End({"kind": "cut"}, taken=True, said=_S.PLACED),
    End({"kind": "cut", "at": 0.0}, taken=True, said=_S.PLACED),
    End({"kind": "malformed"}, taken=True, said=_S.PLACED),
    End({"kind": "huge"}, taken=True, said=_S.PLACED),
    End({"kind": "bare"}, taken=True, said=_S.PLACED),
    End({"kind": "loose"}, taken=True, said=_S.PLACED),
    End({"kind": "words"}, taken=True, said=_S.PLACED),
    *(
        End({"kind": "status", "code": code}, taken=False, said=_S.REFUSED)
        for code in (400, 401, 402, 403, 404, 405, 409, 413, 422)
    ),
    End({"kind": "status", "code": 429, "retry_after": 3}, taken=False, said=_S.UNSENT),
]
FEW = ("reset", "reset True", "status 500 True", "cut", "malformed", "status 400", "status 429 3")


def _requests(end: End) -> int:
    """That the fault hits: a refused token gets a second one."""
    return 2 if end.fault.get("code") == HTTPStatus.UNAUTHORIZED else 1


def _words(end: End) -> str:
    return " ".join(str(word) for word in end.fault.values())


OTHER_CODES = {501, 502, 504, 522, 402, 405, 409, 413, 422}  # which are treated like one of the others


@pytest.fixture(
    params=[
        pytest.param(end, marks=pytest.mark.long if end.fault.get("code") in OTHER_CODES else ())
        for end in ENDS
    ],
    ids=_words,
)
def end(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> End:
    found: End = request.param
    if found.fault["kind"] == "delay":
        monkeypatch.setattr(transport, "TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    return found


async def _ended(desk: Desk, end: End) -> None:
    """The order was placed, and that ended so."""
    desk.misbehave(Fault(on="place", times=_requests(end), **end.fault))
    outcome = await desk.place()
    assert outcome is not None
    assert outcome.intent.state is end.said
    assert len(desk.held()) == end.taken
    assert desk.posts == _requests(end)
    [row] = await desk.intents()
    assert row == outcome.intent
    assert (row.ended_at is not None) == (outcome.error is not None and end.said in {_S.UNCLEAR, _S.PLACED})


async def test_the_same_command_again_never_places_a_second_one(desk: Desk, end: End) -> None:
    await _ended(desk, end)
    posts = desk.posts
    for _ in range(3):
        desk.time.move(LONG)
        outcome = await desk.place()
        assert outcome is not None
        if end.said is _S.PLACED:
            assert (outcome.intent.state, outcome.fresh) == (_S.PLACED, False)
        elif end.said is _S.UNCLEAR:
            assert outcome.intent.state is _S.ABSENT
            assert not desk.held(), "nobody gave the word to send it once more"
    sent_anew = end.said in {_S.REFUSED, _S.UNSENT}  # which surely did nothing: as if it were the first time
    assert desk.posts == posts + sent_anew
    if end.taken or sent_anew:
        await desk.must_be_placed_once(sends=1)


async def test_resume_leaves_exactly_one(desk: Desk, end: End) -> None:
    began = desk.time.now()
    await _ended(desk, end)
    outcome = await desk.place(resume=True)
    assert outcome is not None
    assert outcome.intent.state is _S.PLACED
    placed = await desk.must_be_placed_once()
    assert placed.sends == (2 if end.said is _S.UNCLEAR else 1)
    if end.said is _S.UNCLEAR:
        assert placed.sent_at is not None
        assert placed.sent_at >= began + WAIT, "what was lost is sent again only after the wait"


@pytest.mark.parametrize("lag", [1, 59])
@pytest.mark.parametrize("end", [e for e in ENDS if _words(e) in FEW], ids=_words)
async def test_an_order_that_is_shown_late_is_waited_for(desk: Desk, end: End, lag: int) -> None:
    desk.become(listing_lag=float(lag))
    desk.misbehave(Fault(on="place", **end.fault))
    await desk.place()
    outcome = await desk.place(resume=True)
    assert outcome is not None
    assert outcome.intent.state is _S.PLACED
    await desk.must_be_placed_once()
    assert desk.posts == 1 + (not end.taken)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is to be placed is sent where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def elsewhere(session: Any, method: str, url: Any, **more: Any) -> transport.Reply:  # noqa: ANN401 - handed on
        return await transport.exchange(session, method, url.with_port(port), **more)

    monkeypatch.setattr(placing, "exchange", elsewhere)
    yield
    monkeypatch.undo()


async def test_what_never_left_us_is_said_to_be_unsent(
    desk: Desk, nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del nobody
    outcome = await desk.place()
    assert outcome is not None
    assert outcome.intent.state is _S.UNSENT
    assert "cannot connect" in (outcome.intent.reason or "")
    monkeypatch.undo()
    await desk.place()
    await desk.must_be_placed_once(sends=1)


@pytest.mark.parametrize("late", [False, True], ids=["lost", "taken"])
async def test_what_is_interrupted_while_it_is_sent_is_unclear(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    monkeypatch.setattr(order_requests, "_STOP_TIMEOUT_SECONDS", 0.1)
    desk.misbehave(Fault(on="place", kind="delay", seconds=30, late=late))
    placing = asyncio.ensure_future(desk.place())
    while len(desk.held()) < late or not desk.posts:
        await asyncio.sleep(0)
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    [row] = await desk.intents()
    assert (row.state, row.reason) == (_S.UNCLEAR, "orderwatch was stopped while it was being sent")
    desk.misbehave()
    await desk.place(resume=True)
    await desk.must_be_placed_once(sends=1 if late else 2)


async def test_what_is_interrupted_may_end_first(desk: Desk) -> None:
    desk.misbehave(Fault(on="place", kind="delay", seconds=0.2))
    placing = asyncio.ensure_future(desk.place())
    while not desk.posts:
        await asyncio.sleep(0)
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    await desk.must_be_placed_once(sends=1)
