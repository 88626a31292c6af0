"""Each class of faults on a daemon at work: its begin and its end are said once, shown and told."""

import base64
import datetime as dt
import hmac
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.app.daemon.test_app_busy import take
from tests.app.faults_kit import SCENES, Metrics, Stage, at_work, notes, problems, run, stage, story
from tests.notifiers.receiver import Request

from orderwatch.core.model import Subject
from orderwatch.db.repositories import open_reader
from orderwatch.simulator.faults import Fault, Faults
from orderwatch.simulator.scenario import CONTRACT

ORDERS = 3
ROUNDS = 2  # after a fault has ended, in which nothing more may be said
NO_DOWNLOADS = Fault(on="download", kind="status", code=503, times=0)


@asynccontextmanager
async def api_down(scene: Stage) -> AsyncIterator[None]:
    scene.rig.simulator.outage = True
    yield
    scene.rig.simulator.outage = False


@asynccontextmanager
async def token_refused(scene: Stage) -> AsyncIterator[None]:
    account = scene.rig.simulator.account("main")
    scene.rig.simulator.rotate("main", "another")
    scene.rig.simulator.revoke_tokens()
    yield
    scene.rig.simulator.rotate("main", account.client_secret)


@asynccontextmanager
async def contract_inactive(scene: Stage) -> AsyncIterator[None]:
    scene.rig.simulator.set_contract(CONTRACT, status="INACTIVE")
    yield
    scene.rig.simulator.set_contract(CONTRACT, status="ACTIVE")


@asynccontextmanager
async def downloads_down(scene: Stage) -> AsyncIterator[None]:
    scene.rig.simulator.faults = Faults((NO_DOWNLOADS,))
    yield
    scene.rig.simulator.faults = Faults(())


@asynccontextmanager
async def database_locked(scene: Stage) -> AsyncIterator[None]:
    other = sqlite3.connect(scene.rig.database, isolation_level=None, timeout=0)
    await take(other)
    yield
    other.execute("ROLLBACK")
    other.close()


@asynccontextmanager
async def webhook_down(scene: Stage) -> AsyncIterator[None]:
    scene.first.answers = [503] * 10_000
    yield
    scene.first.answers.clear()


@asynccontextmanager
async def disk_full(scene: Stage) -> AsyncIterator[None]:
    foreign = scene.rig.tree / "foreign"
    disk = os.statvfs(scene.rig.tree)
    run("fallocate", "-l", disk.f_bavail * disk.f_frsize, foreign)
    yield
    foreign.unlink()


@asynccontextmanager
async def disk_read_only(scene: Stage) -> AsyncIterator[None]:
    run("mount", "-o", "remount,ro,bind", scene.rig.tree)
    yield
    run("mount", "-o", "remount,rw,bind", scene.rig.tree)


@asynccontextmanager
async def disk_gone(scene: Stage) -> AsyncIterator[None]:
    run("umount", "-l", scene.rig.tree)
    yield
    run("mount", "--bind", scene.rig.folder / "volume", scene.rig.tree)


class Stepped(dt.datetime):
    """A clock that somebody sets."""

    ahead = timedelta(0)

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        return dt.datetime.now(tz) + cls.ahead


@asynccontextmanager
async def clock_stepped(_scene: Stage) -> AsyncIterator[None]:
    Stepped.ahead = timedelta(hours=-2)
    yield
    Stepped.ahead = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Class:
    """`moves` is what a metric of its own shows meanwhile; `besides` are warnings of single deliveries."""

    fault: Callable[[Stage], AbstractAsyncContextManager[None]]
    begin: str
    end: str
    moves: Callable[[Metrics], bool]
    sound: bool = True
    ready: bool = True
    besides: frozenset[str] = frozenset()
    on_a_disk: bool = False


def is_(name: str, value: float) -> Callable[[Metrics], bool]:
    return lambda metrics: metrics.get(f"orderwatch_{name}") == value


def more_than(name: str, value: float) -> Callable[[Metrics], bool]:
    return lambda metrics: metrics.get(f"orderwatch_{name}", value) > value


def no_tree(metrics: Metrics) -> bool:
    return [value for name, value in metrics.items() if "_tree_usable{" in name] == [0.0]


CLASSES = {
    "api down": Class(
        fault=api_down,
        begin="account.unavailable",
        end="account.recovered",
        moves=is_("account_state{main,unavailable}", 1),
    ),
    "token refused": Class(
        fault=token_refused,
        begin="account.refused",
        end="account.recovered",
        moves=is_("account_state{main,refused}", 1),
        ready=False,
    ),
    "contract inactive": Class(
        fault=contract_inactive,
        begin="account.refused",
        end="account.recovered",
        moves=is_("account_state{main,refused}", 1),
        ready=False,
    ),
    "downloads down": Class(
        fault=downloads_down,
        begin="downloads.failing",
        end="downloads.restored",
        moves=more_than("failed_attempts_total{main,network}", SCENES - 1),
        besides=frozenset({"delivery.waiting"}),
    ),
    "database locked": Class(
        fault=database_locked,
        begin="database.busy",
        end="database.free",
        moves=is_("problems{database.busy}", 1),
        sound=False,
        ready=False,
    ),
    "webhook down": Class(
        fault=webhook_down,
        begin="notify.failing",
        end="notify.restored",
        moves=more_than("notes_pending{first}", 0),
    ),
    "clock stepped": Class(
        fault=clock_stepped,
        begin="clock.wrong",
        end="clock.right",
        moves=lambda metrics: abs(metrics["orderwatch_clock_ahead_seconds"] + 7200) < 60,
        besides=frozenset({"clock.stepped"}),
    ),
    "disk full": Class(
        fault=disk_full,
        begin="space.short",
        end="space.enough",
        moves=more_than("deliveries{main,parked}", 0),
        ready=False,
        besides=frozenset({"delivery.parked"}),
        on_a_disk=True,
    ),
    "disk read-only": Class(
        fault=disk_read_only,
        begin="tree.unusable",
        end="tree.usable",
        moves=no_tree,
        ready=False,
        besides=frozenset({"delivery.parked"}),
        on_a_disk=True,
    ),
    "disk gone": Class(
        fault=disk_gone,
        begin="tree.unusable",
        end="tree.usable",
        moves=no_tree,
        ready=False,
        besides=frozenset({"delivery.parked"}),
        on_a_disk=True,
    ),
}
QUICK = {"token refused", "webhook down"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Makes the delivery root a small file system of its own."""
    volume, tree, mounted = tmp_path / "volume", tmp_path / "tree", []

    def make() -> None:
        volume.mkdir()
        tree.mkdir()
        try:
            run("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", volume)
            mounted.append(volume)
            run("mount", "--bind", volume, tree)
            mounted.append(tree)
        except subprocess.CalledProcessError:
            pytest.skip("no file system can be mounted here")

    yield make
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", folder], check=False, capture_output=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the daemon does ever so often, it does more often."""
    monkeypatch.setattr("orderwatch.service.notifications.dispatcher._RETRY_MIN", timedelta(milliseconds=50))
    monkeypatch.setattr(
        "orderwatch.service.maintenance.check_runner._RECHECK_INTERVAL", timedelta(milliseconds=200)
    )
    monkeypatch.setattr(
        "orderwatch.service.maintenance.check_runner._MIN_INTERVAL", timedelta(milliseconds=200)
    )
    monkeypatch.setattr("orderwatch.service.clock.CHECK_INTERVAL_SECONDS", 0.2)
    monkeypatch.setattr("orderwatch.db.database.RETRIED_BUSY_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr("orderwatch.service.clock.datetime", Stepped)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in CLASSES]
)
@pytest.mark.usefixtures("quick")
async def test_a_fault_is_said_once_shown_told_and_forgotten(
    tmp_path: Path, disk: Callable[[], None], name: str
) -> None:
    found = CLASSES[name]
    if found.on_a_disk:
        disk()
    async with stage(tmp_path, story()) as scene, at_work(scene):
        await scene.stored(SCENES)
        assert [(await scene.page(path))[0] for path in ("/healthz", "/readyz")] == [200, 200]
        async with found.fault(scene):
            scene.days[0] = 1
            await scene.said(found.begin)
            await scene.shows(found.moves)
            await scene.shows(is_(f"problems{{{found.begin}}}", 1))
            assert (await scene.page("/healthz"))[0] == (200 if found.sound else 503)
            status, report = await scene.page("/readyz")
            assert (status, bool(report["reasons"])) == ((200, False) if found.ready else (503, True))
            assert [problem["event"] for problem in report["problems"]] == [found.begin]
        await scene.said(found.end)
        await scene.stored(2 * SCENES)
        await scene.sweeps(ROUNDS)
        there = scene.second if found.begin.startswith("notify.") else scene.first
        await scene.told(there, "problem.began", "problem.ended")
        await scene.told(scene.first, *["delivery.stored"] * 2 * SCENES)
        assert [(await scene.page(path))[0] for path in ("/healthz", "/readyz")] == [200, 200]
        metrics = await scene.metrics()
    assert problems(there) == [("problem.began", found.begin), ("problem.ended", found.begin)]
    assert not [sample for sample in metrics if sample.startswith("orderwatch_problems{")]
    assert scene.edges() == [found.begin, found.end]
    assert scene.loud() <= {found.begin} | found.besides


@pytest.mark.long
@pytest.mark.usefixtures("quick")
async def test_a_webhook_that_fails_gets_every_note_in_order_and_one_that_hangs_delays_nothing(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, story(ORDERS)) as scene:
        scene.first.answers = [503, 500, 429, 302, 503]
        scene.second.answers = [None] * 100
        async with at_work(scene):
            await scene.stored(ORDERS * SCENES)
            for day in (1.0, 2.0):
                scene.days[0] = day
                await scene.sweeps(1)
            await scene.stored(2 * ORDERS * SCENES)
            await scene.told(scene.first, *["delivery.stored"] * 2 * ORDERS * SCENES)
            await scene.said("notify.restored")
            assert scene.second.heard
    heard = scene.first.heard
    assert [request.answer for request in heard[:6]] == [503, 500, 429, 302, 503, 204]
    assert len({(request.headers["webhook-id"], request.body) for request in heard[:6]}) == 1
    assert {request.headers["webhook-signature"] for request in heard} == set(map(signed, heard))
    async with open_reader(scene.rig.database) as reader:
        for task_id in range(7, 7 + ORDERS):
            moves = [
                (move.capture_id, move.scene_id, move.after)
                for move in await reader.history.of_order(str(task_id))
                if move.subject is Subject.CAPTURE or move.after == "stored"
            ]
            assert len(moves) == 3 + 2 * SCENES  # the first capture was published before anybody looked
            assert moves == [
                (note["capture_id"], note.get("scene_id"), note.get("after", "stored"))
                for note in notes(scene.first)
                if note.get("task_id") == task_id and note["event"] != "order.done"
            ]


def signed(request: Request) -> str:
    """As docs/notifications.md has it."""
    told = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    made = hmac.digest(b"canary-secret", told + request.body, "sha256")
    return "v1," + base64.b64encode(made).decode()


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in CLASSES if name != "database locked"])
@pytest.mark.usefixtures("quick")
async def test_a_fault_that_outlives_a_restart_is_told_once(
    tmp_path: Path, disk: Callable[[], None], name: str
) -> None:
    """A locked database cannot be told before it is free."""
    found = CLASSES[name]
    if found.on_a_disk:
        disk()
    async with stage(tmp_path, story()) as scene:
        there = scene.second if found.begin.startswith("notify.") else scene.first
        async with at_work(scene):
            await scene.stored(SCENES)
            async with AsyncExitStack() as fault:
                await fault.enter_async_context(found.fault(scene))
                scene.days[0] = 1
                await scene.told(there, "problem.began")
                lasting = fault.pop_all()
        async with at_work(scene):
            await scene.shows(is_(f"problems{{{found.begin}}}", 1))
            await scene.shows(found.moves)
            await lasting.aclose()
            await scene.stored(2 * SCENES)
            await scene.told(there, "problem.ended")
            await scene.sweeps(ROUNDS)
    assert problems(there) == [("problem.began", found.begin), ("problem.ended", found.begin)]
    assert scene.loud() <= {found.begin} | found.besides
