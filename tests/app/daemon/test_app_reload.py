"""A configuration is taken up whole or not at all, whatever is thrown at a daemon."""

import logging
import os
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.app.app_rig import Rigged
from tests.app.reload_kit import guarded, reread

from orderwatch.app.daemon.lifecycle import Daemon, open_daemon
from orderwatch.app.daemon.signals import SignalControl
from orderwatch.app.factories import set_up_log
from orderwatch.app.held_database import held_database
from orderwatch.app.plan import resolve
from orderwatch.config import Settings
from orderwatch.errors import ConfigError
from orderwatch.ops.log import Redactor
from orderwatch.simulator.scenario import Scenario
from orderwatch.web.server.listener import ListenAddress

VALUES = [
    '"250ms"',
    '"90s"',
    '"2h"',
    '"0"',
    '"1"',
    '"7"',
    '"0.5"',
    '"true"',
    '""',
    '"Quay"',
    '"main"',
    '"second"',
    '"/proc/none"',
    '"{root}"',
    '"{other}"',
    '"debug"',
    '"warning"',
    '"0640"',
    '"{task_id}/{file_name}"',
    '"{nobody}"',
    '"legacy"',
    '"cont.other"',
    '"kB"',
    '"5MB"',
    "1",
    "3",
    "7",
    "-1",
    "0.5",
    "true",
    "[]",
    '["preview"]',
    "[7,8]",
    "nonsense",
]
GOOD = {
    "interval": ('"250ms"', '"90s"', '"2h"'),
    "requests_per_second": ("1", "0.5", "7"),
    "root": ('"{root}"', '"{other}"'),
    "keep_free": ('"0"', '"5MB"', '"1"'),
    "retry_min": ('"90s"', '"1s"\nparallel = 2', '"1s"\nbandwidth = "5MB"', '"1s"\nfile_mode = "0640"'),
    "stall_timeout": (
        '"90s"',
        '"7s"\nconnections = 1',
        '"7s"\nattachments = ["preview"]\nlayout = "{file_name}"',
    ),
    "listen": ('""', '"127.0.0.1:0"'),
    "hosts": ('["watch.example"]',),
    "level": ('"info"', '"warning"', '"error"'),
    "task_name": ('"Quay *"', '"*"\nstatus = "received"'),
    "contract_id": ('"cont.other"',),
    "client_secret": ('"another secret"',),
    "kind": ('"webhook"\nbatch = "3s"', '"webhook"\nname = "ops"', '"webhook"\nevents = ["order.*"]'),
}
OWN = ("[accounts.main.endpoints]", "token = ", "accounts = ", "api = ")  # or it would ask the real provider
LINES = (
    '[[watch]]\naccount = "main"\ntask_ids = [9]',
    '[[watch]]\naccount = "nobody"\ntask_name = "*"',
    '[[watch]]\naccount = "main"\ntask_name = "*"\n[watch.delivery]\nroot = "{other}"',
    "[delivery]\nparallel = 2",
    "unknown = 1",
    "[unknown]",
)

MORE = """
[http]
listen = "127.0.0.1:0"
token = "canary-token"
hosts = []

[[notify]]
kind = "webhook"
url = "http://127.0.0.1:9/"
"""


def mutated(text: str, folder: Path, rng: random.Random) -> str:
    """The file with a few of its lines changed, lost, doubled or broken; every second one is good."""
    lines, good = text.splitlines(), rng.random() < 1 / 2
    kept = OWN if good else (*OWN, "root = ")  # or it would use the real folder
    free = [n for n, line in enumerate(lines) if not line.startswith(kept)]
    for at in rng.sample(free, rng.randint(1, 3)):
        key = lines[at].split(" = ")[0]
        if good:
            lines[at] = f"{key} = {rng.choice(GOOD[key])}" if key in GOOD else lines[at]
        else:
            changed = f"{key} = {rng.choice(VALUES)}"
            broken = lines[at][: rng.randint(0, len(lines[at]))]
            lines[at] = rng.choice((changed, broken, "", f"{lines[at]}\n{lines[at]}"))
    lines += [] if good else [rng.choice(("", *LINES))]
    return "\n".join(lines).replace("{root}", str(folder / "tree")).replace("{other}", str(folder / "other"))


def at_work(daemon: Daemon) -> dict[str, Any]:
    """What each part works by, as it is there."""
    assert daemon.supervisor.runtime is not None
    app, house = daemon.supervisor.runtime, daemon.resources
    tools = app.fetcher._contexts
    job = daemon.schedule._scheduler.get_job("tick")
    return {
        "accounts": {name: poller._watched for name, poller in app.pollers.items()},
        "fetched": {name: tool.watched for name, tool in tools.items()},
        "watching": {id(watcher) for watcher in daemon.supervisor._watching},
        "paces": {poller._pace for poller in app.pollers.values()},
        "contracts": {name: standing._placer._contract for name, standing in app.standing_orders.items()},
        "roots": {tree.destination.partials for tree in app.trees.values()},
        "ways": {way.space for tool in tools.values() for way in tool.trees.values()},
        "rights": {tree.destination.permissions for tree in app.trees.values()},
        "keep_free": {tree.space.keep_free for tree in app.trees.values()},
        "retries": app.fetcher._retries,
        "places": house.slots._count,
        "limit": house.bandwidth.limit(),
        "tick": job.trigger.interval.total_seconds(),
        "log": logging.getLogger().level,
        "swept": set(daemon.monitor._tasks.maintenance.sweeping.volumes),
        "pages": house.monitoring.listener._wanted,
        "shown": house.dashboard.plan.http,
        "told": house.store.outbox.subscribers.channels,
    }


def told(settings: Settings, daemon: Daemon) -> dict[str, Any]:
    """The same, as these settings want it."""
    app = daemon.supervisor.runtime
    assert app is not None
    plan = resolve(settings)
    watched = {name: account.watched for name, account in plan.accounts.items()}
    return {
        "accounts": watched,
        "fetched": watched,
        "watching": {
            *map(id, app.watchers),
            *map(id, app.dispatchers),
            *map(id, daemon.supervisor._assigned),
        },
        "paces": {plan.pace},
        "contracts": {name: account.contract for name, account in plan.accounts.items()},
        "roots": {plan.folder(root) / ".orderwatch" / "partial" for root in plan.roots.values()},
        "ways": {tree.space for tree in app.trees.values()},
        "rights": {plan.permissions},
        "keep_free": {settings.delivery.keep_free},
        "retries": plan.retries,
        "places": settings.delivery.parallel,
        "limit": plan.bandwidth_limit(),
        "tick": min(5.0, settings.polling.interval.total_seconds() / 4),
        "log": getattr(logging, settings.log.level.upper()),
        "swept": {tree.volume for tree in app.trees.values()},
        "pages": ListenAddress(
            settings.http.listen, settings.http.hosts, settings.http.token.get_secret_value()
        ),
        "shown": settings.http,
        "told": plan.channels,
    }


@pytest.mark.parametrize("times", [60, pytest.param(1000, marks=pytest.mark.long)])
async def test_it_is_always_wholly_the_old_or_wholly_the_new(rigged: Rigged, times: int) -> None:
    rig = await rigged(Scenario())
    rig.configure('task_name = "*"', more=MORE)
    good, rng, control = rig.config.read_text(encoding="utf-8"), random.Random(6), SignalControl()
    settings, old, new = reread(rig), 0, 0
    with guarded(), control.signals(), held_database(settings.database):
        set_up_log(settings, Redactor())
        async with open_daemon(settings, Redactor()) as daemon:
            for _ in range(times):
                rig.config.write_text(mutated(good, rig.folder, rng), encoding="utf-8")
                os.kill(os.getpid(), signal.SIGHUP)
                assert await control.reloads()
                await daemon.reload(partial(reread, rig))
                try:
                    settings = taken(reread(rig), daemon)
                    new += 1
                except ConfigError:
                    old += 1
                assert at_work(daemon) == told(settings, daemon)
    assert min(old, new) > times / 5


async def test_a_heartbeat_that_is_taken_out_leaves_no_problem_for_ever(rigged: Rigged) -> None:
    rig = await rigged(Scenario())
    rig.configure('task_name = "*"', more='[heartbeat]\nurl = "http://127.0.0.1:9/"')
    settings = reread(rig)
    with guarded(), held_database(settings.database):
        set_up_log(settings, Redactor())
        async with open_daemon(settings, Redactor()) as daemon:
            structlog.get_logger().warning("heartbeat.failing", reason="nobody answers")
            rig.configure('task_name = "*"')
            await daemon.reload(partial(reread, rig))
            problems = daemon.monitor._problems
            assert '["heartbeat.failing"]' in problems.open
            await problems.settle()
            assert '["heartbeat.failing"]' not in problems.open


def taken(settings: Settings, daemon: Daemon) -> Settings:
    """The one that was read, unless it wants another database."""
    if settings.database.location != daemon.resources.database:
        raise ConfigError(["another database"])
    return settings
