"""Keeper and examiner as the daemon puts them together: one fault, one begin, one end, over a reload too."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.databases import new_database
from tests.logs import events

from orderwatch.app.daemon.maintenance import (
    MaintenanceTargets,
    adjust,
    build_maintenance,
    certificates,
    on_event,
)
from orderwatch.app.daemon.resources import open_resources
from orderwatch.app.daemon.runtime import RuntimeBuilder
from orderwatch.app.plan import Plan, resolve
from orderwatch.config import Settings
from orderwatch.ops.log import Redactor
from orderwatch.service.clock import Clock, utc_now

__all__ = ["events"]


def plan(folder: Path, **delivery: object) -> Plan:
    account = {"client_id": "id", "client_secret": "secret", "contract_id": "cont.1"}
    tables = {
        "accounts": {"main": account, "other": account},
        "delivery": {"root": str(folder / "tree"), "keep_free": "0", **delivery},
        "database": {"url": f"sqlite:///{folder}/state/orderwatch.db"},
    }
    return resolve(Settings.model_validate(tables, context={"resolve": True}))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[MaintenanceTargets]:
    async with AsyncExitStack() as stack:
        new_database(tmp_path / "state")
        wanted = plan(tmp_path)
        house = await stack.enter_async_context(open_resources(wanted, Redactor()))
        tree = await RuntimeBuilder(house, wanted, stack).tree(wanted.roots[None])
        yield MaintenanceTargets(house.store, house.store, {None: tree}, {}, house.clock)


def said(events: LogCapture) -> list[str]:
    return [e["event"] for e in events.entries if e["event"] != "backup.done"]


async def test_a_tree_that_is_away_is_begun_and_ended_once_by_check_and_chores(
    tmp_path: Path, world: MaintenanceTargets, events: LogCapture
) -> None:
    care = build_maintenance(plan(tmp_path), world)
    care.check_runner.checks = [
        c for c in care.check_runner.checks if c.kind != "certificate"
    ]  # no network here
    await care.maintenance.run_due()
    await care.check_runner.run_due()
    assert {finding.ok for finding in care.check_runner.findings.values()} == {True}
    assert care.maintenance.last_backup is not None
    tree, aside = tmp_path / "tree", tmp_path / "aside"
    tree.rename(aside)
    tree.mkdir()
    for chore in (care.maintenance.sweeping, care.maintenance.scrub):
        await chore.run(utc_now())
    for check in care.check_runner.checks:
        await check.run()
    tree.rmdir()
    aside.rename(tree)
    for check in care.check_runner.checks:
        await check.run()
    assert said(events) == ["tree.unusable", "tree.usable"]


async def test_trouble_that_is_said_brings_its_check_forward(
    tmp_path: Path, world: MaintenanceTargets
) -> None:
    times = [utc_now()]
    care = build_maintenance(plan(tmp_path), replace(world, clock=Clock(wall=lambda: times[0])))
    care.check_runner.checks = [c for c in care.check_runner.checks if c.kind == "space"]
    await care.check_runner.run_due()
    [first] = care.check_runner.findings.values()
    times[0] += timedelta(minutes=1)
    for event, looked in (("delivery.stored", False), ("delivery.parked", True)):
        on_event(care, event)
        await care.check_runner.run_due()
        assert (care.check_runner.findings[first.name] is not first) is looked


async def test_a_reload_takes_up_what_is_kept_and_checked(tmp_path: Path, world: MaintenanceTargets) -> None:
    care = build_maintenance(plan(tmp_path), world)
    before = care.maintenance.scrub, care.check_runner
    adjust(care, plan(tmp_path, scrub="0"), world)
    assert (care.maintenance.scrub, care.check_runner) == before
    assert care.maintenance.scrub.weekly == 0


def test_each_https_host_is_checked_once_by_the_name_of_its_endpoint(tmp_path: Path) -> None:
    names = [check.name for check in certificates(plan(tmp_path), utc_now)]
    assert names == [f"certificate of main {what}" for what in ("token", "api", "accounts")]
