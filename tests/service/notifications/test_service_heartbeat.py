"""The heartbeat URL hears of us only after sweeps that were of use."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from structlog.testing import LogCapture

from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.errors import NotifyError
from orderwatch.service.notifications.heartbeat import Heartbeat


def concern(reason: Reason, name: str) -> Concern:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    return Concern(key=name, reason=reason, since=now, text="It is lost.", remedy="Ask for it.", name=name)


LOSS = concern(Reason.GIVEN_UP, "delivery_zip")


class Pinger:
    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.pings = 0

    async def ping(self) -> None:
        self.pings += 1
        if self.answers and (answer := self.answers.pop(0)):
            raise NotifyError(answer)


class Life:
    """Runs until it rests a second time; `rests` are what it slept, in seconds."""

    def __init__(self, pinger: Pinger, *accounts: str) -> None:
        self.rests: list[float] = []
        self.rested = asyncio.Event()
        self.attention: Sequence[Concern] | None = ()
        self.fail = Pinger()
        self.deadman = Heartbeat(
            pinger,
            accounts,
            fail=self.fail,
            attention=self.read,
            every=timedelta(minutes=5),
            sleep=self.sleep,
        )

    async def read(self) -> Sequence[Concern] | None:
        return self.attention

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.rested.set()
        await asyncio.sleep(0)

    async def turn(self) -> None:
        """Let it do what it can."""
        task = asyncio.create_task(self.deadman.run())
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()


async def test_every_account_has_to_be_well_before_there_is_a_ping() -> None:
    pinger = Pinger()
    life = Life(pinger, "main", "other")
    life.deadman.on_sweep("main", good=True)
    await life.turn()
    life.deadman.on_sweep("other", good=False)
    await life.turn()
    assert pinger.pings == 0
    life.deadman.on_sweep("other", good=True)
    await life.turn()
    assert pinger.pings == 1
    assert life.rests == [300]


async def test_after_a_ping_every_account_has_to_be_swept_again() -> None:
    pinger = Pinger()
    life = Life(pinger, "main", "other")
    for account in ("main", "other", "main"):
        life.deadman.on_sweep(account, good=True)
        await life.turn()
    assert pinger.pings == 1


async def test_where_nothing_is_due_an_account_is_as_well_as_it_was() -> None:
    pinger = Pinger()
    life = Life(pinger, "main")
    life.deadman.on_sweep("main", good=None)
    await life.turn()
    assert pinger.pings == 0
    for good in (True, None, False, None):
        life.deadman.on_sweep("main", good=good)
        await life.turn()
    assert pinger.pings == 2


async def test_trouble_with_the_url_is_said_once_and_ends_once(events: LogCapture) -> None:
    pinger = Pinger("answers 500", "answers 503", "")
    life = Life(pinger, "main")
    for _ in range(4):
        life.deadman.on_sweep("main", good=True)
        await life.turn()
    assert pinger.pings == 4
    assert [line["event"] for line in events.entries] == ["heartbeat.failing", "heartbeat.restored"]
    assert life.rests == [30, 30, 300, 300]


async def test_while_something_needs_a_person_the_other_url_is_asked() -> None:
    pinger = Pinger()
    life = Life(pinger, "main")
    life.attention = [LOSS]
    life.deadman.on_sweep("main", good=True)
    await life.turn()
    assert (pinger.pings, life.fail.pings) == (0, 1)
    life.deadman.on_sweep("main", good=False)
    await life.turn()
    assert (pinger.pings, life.fail.pings) == (0, 2)
    life.attention = []
    life.deadman.on_sweep("main", good=True)
    await life.turn()
    assert (pinger.pings, life.fail.pings) == (1, 2)


async def test_without_that_url_nothing_is_asked_then() -> None:
    pinger = Pinger()

    async def attention() -> Sequence[Concern]:
        return [LOSS]

    deadman = Heartbeat(pinger, ["main"], every=timedelta(minutes=5), attention=attention)
    assert await deadman.ping(all_well=True)
    assert pinger.pings == 0


async def test_its_own_failure_does_not_keep_it_from_the_url_that_ends_it() -> None:
    pinger = Pinger()
    life = Life(pinger, "main")
    life.attention = [concern(Reason.PROBLEM, "heartbeat.failing")]
    life.deadman.on_sweep("main", good=True)
    await life.turn()
    assert (pinger.pings, life.fail.pings) == (1, 0)


async def test_before_it_is_known_whether_somebody_is_needed_nothing_is_asked() -> None:
    pinger = Pinger()
    life = Life(pinger, "main")
    life.attention = None
    life.deadman.on_sweep("main", good=True)
    await life.turn()
    assert (pinger.pings, life.fail.pings) == (0, 0)
