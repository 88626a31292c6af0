"""From what happens at the provider to what a webhook is told, and what the log says to whom."""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner
from tests.app.upkeep_kit import EVERYTHING, scenario
from tests.databases import new_database
from tests.logs import events  # noqa: F401 - nothing is logged while these play
from tests.notifiers.receiver import Receiver, receiver
from tests.patience import PATIENCE

from orderwatch.app.commands.once import run_once
from orderwatch.app.daemon.resources import open_resources
from orderwatch.app.daemon.supervisor import open_supervisor
from orderwatch.app.held_database import held_database
from orderwatch.app.notifications import (
    learn_channels,
    listen,
    open_dispatchers,
    open_heartbeat,
    tracked_problems,
)
from orderwatch.app.plan import resolve
from orderwatch.cli import cli
from orderwatch.config import Settings, load
from orderwatch.core.notifications.problems import Problem, ProblemChange
from orderwatch.db.repositories import open_store
from orderwatch.ops.log import Redactor
from orderwatch.ops.log_listener import LogListener
from orderwatch.service.polling.poller import SweepResult
from orderwatch.service.wakeup import Wakeup
from orderwatch.simulator.server import serve

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACCOUNT = """
[accounts.main]
client_id = "me"
client_secret = "a secret"
contract_id = "cont.1"

[polling]
interval = "1s"
"""


def configured(folder: Path, more: str, account: str = ACCOUNT) -> Settings:
    path = folder / "config.toml"
    path.touch(mode=0o600)
    database = f"[database]\nurl = 'sqlite:///{folder}/orderwatch.db'\n"
    tree = f"[delivery]\nroot = '{folder}/tree'\nkeep_free = '0'\n"
    path.write_text(f"{account}\n{tree}{database}{more}", encoding="utf-8")
    return load(path)


def hook(there: Receiver, *lines: str) -> str:
    return "\n".join(
        ["[[notify]]", "kind = 'webhook'", f"url = '{there.url}'", "allow_private = true", *lines, ""]
    )


def told(there: Receiver) -> list[dict[str, Any]]:
    return [note for request in there.heard for note in json.loads(request.body)["notes"]]


async def test_once_tells_what_happened_and_what_failed_the_next_time(tmp_path: Path) -> None:
    new_database(tmp_path)
    async with (
        serve(scenario()) as simulator,
        receiver(503) as there,
        receiver() as other,
        receiver() as heart,
    ):
        more = f"[[watch]]\naccount = 'main'\n{EVERYTHING}\n" + hook(there)
        more += hook(other, "events = ['delivery.*']", "projects = ['Quay *']")
        more += f"[heartbeat]\nurl = '{heart.url}'\nallow_private = true"
        settings = configured(tmp_path, more, simulator.config_toml())
        found = []
        for _ in range(2):
            with held_database(settings.database):
                found.append((await run_once(resolve(settings), Redactor())).problems)
    assert found == [["channel webhook: 127.0.0.1 answers 503"], []]
    first, second = there.heard
    assert first.ids == second.ids
    notes = json.loads(first.body)["notes"]
    assert [note["event"] for note in notes] == ["capture.changed", "delivery.stored", "delivery.stored"]
    assert {(note["order_id"], note["task_id"]) for note in notes} == {("7", 7)}
    assert all((tmp_path / "tree" / note["path"]).stat().st_size == note["size"] for note in notes[1:])
    assert b"http" not in first.body
    assert other.heard == []
    assert len(heart.heard) == 1


async def test_what_the_log_says_reaches_the_webhook(tmp_path: Path) -> None:
    redactor = Redactor()
    log_listener = LogListener(redactor)
    structlog.configure(
        processors=[log_listener, lambda *_: ""], logger_factory=structlog.ReturnLoggerFactory()
    )
    async with receiver() as there, open_store(new_database(tmp_path)) as store:
        settings = configured(tmp_path, hook(there))
        learn_channels(settings, redactor)
        plan = resolve(settings)
        await listen(store, plan.channels, Wakeup())
        async with (
            open_dispatchers(
                plan.notifiers, plan.network, redactor, dict.fromkeys(plan.notifiers, store.outbox)
            ) as dispatchers,
            tracked_problems(plan.pace, store, log_listener) as problems,
        ):
            structlog.get_logger().warning("list.failed", account="main", reason=f"see {there.url}")
            structlog.get_logger().info("list.restored", account="main")
            await problems.flush()
            assert await dispatchers[0].drain() is None
    began, ended = told(there)
    assert (began["event"], ended["event"]) == ("problem.began", "problem.ended")
    assert "canary" not in json.dumps(began)


async def test_a_reload_tells_the_new_channels_and_forgets_the_old_ones(tmp_path: Path) -> None:
    new_database(tmp_path)
    change = ProblemChange(Problem(key="k", event="clock.wrong", began_at=NOW, facts={}), NOW)
    quick = "batch = '1ms'"
    async with receiver(None) as old, receiver() as new:
        plan = resolve(configured(tmp_path, hook(old, quick)))
        renewed = hook(new, quick, "name = 'new'") + f"[heartbeat]\nurl = '{new.url}'\nallow_private = true"
        async with (
            open_resources(plan, Redactor()) as house,
            open_supervisor(house, plan) as crew,
        ):
            assert house.sweep_log.heartbeat is None
            await house.store.outbox.record_problems([change])
            await asyncio.wait_for(old.came.wait(), PATIENCE)
            await crew.apply(resolve(configured(tmp_path, renewed)))
            assert await house.store.outbox.pending() == {}
            house.monitoring.live.read_attention = nothing
            await house.sweep_log.record("main", SweepResult(answered=True))
            await house.store.outbox.record_problems([change])
            async with asyncio.timeout(PATIENCE):
                while len(new.heard) < 2:
                    await asyncio.sleep(0.005)
    assert {request.method for request in new.heard} == {"GET", "POST"}


async def test_channels_are_named_by_their_kind_and_number(tmp_path: Path) -> None:
    async with receiver() as there:
        settings = configured(tmp_path, hook(there) + hook(there, "name = 'mine'") + hook(there))
    assert [channel.name for channel in resolve(settings).channels] == ["webhook", "mine", "webhook-3"]


async def nothing() -> tuple[()]:
    return ()


async def test_without_a_heartbeat_url_there_is_no_deadman(tmp_path: Path) -> None:
    async with open_heartbeat(resolve(configured(tmp_path, "")), Redactor(), nothing) as none:
        assert none is None
    async with receiver() as there:
        settings = configured(tmp_path, f"[heartbeat]\nurl = '{there.url}'\nallow_private = true")
        async with open_heartbeat(resolve(settings), Redactor(), nothing) as deadman:
            assert deadman is not None
            deadman.on_sweep("main", good=True)
            assert await deadman.ping(all_well=True)
    assert [request.method for request in there.heard] == ["GET"]


Notify = Callable[..., Any]


@pytest.fixture
def notify(tmp_path: Path) -> Notify:
    async def call(*words: str) -> tuple[int, str, str]:
        """Our command in a thread, beside the receivers of the test."""
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        config = str(tmp_path / "config.toml")
        done = await asyncio.to_thread(CliRunner().invoke, cli, ["--config", config, "notify", *words])
        root.handlers[:] = handlers
        root.setLevel(level)
        return done.exit_code, done.stdout, done.stderr or str(done.exception or "")

    return call


async def test_notify_tries_every_channel(tmp_path: Path, notify: Notify) -> None:
    async with receiver() as there, receiver(500) as broken:
        configured(tmp_path, hook(there) + hook(broken, "name = 'pager'"))
        code, out, err = await notify("--test")
        assert (code, out) == (1, "ok      webhook (webhook)\nFAILED  pager (webhook)\n")
        assert err == "orderwatch: pager: 127.0.0.1 answers 500\n"
        assert [note["event"] for note in told(there)] == ["notify.test"]
        code, out, _ = await notify("--test", "--channel", "pager", "--json")
    assert code == 0
    assert json.loads(out) == {"channels": [{"channel": "pager", "kind": "webhook", "problem": None}]}
    assert len(there.heard) == 1


async def test_notify_says_what_it_cannot_try(tmp_path: Path, notify: Notify) -> None:
    configured(tmp_path, "")
    assert "no [[notify]] is configured" in (await notify("--test"))[2]
    async with receiver() as there:
        configured(tmp_path, hook(there))
        assert "unknown channel 'x'; configured: webhook" in (await notify("--test", "--channel", "x"))[2]
        assert "--test" in (await notify())[2]
        assert there.heard == []
