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

from orderwatch.app.daemon.maintenance import World, adjust, certificates, provoke, take_care
from orderwatch.app.daemon.resources import open_house
from orderwatch.app.daemon.runtime import Builder
from orderwatch.config import Settings
from orderwatch.ops.log import Redactor
from orderwatch.service.clock import Clock, utc_now

__all__ = ["events"]


def settings(folder: Path, **delivery: object) -> Settings:
    account = {"client_id": "id", "client_secret": "secret", "contract_id": "cont.1"}
    tables = {
        "accounts": {"main": account, "other": account},
        "delivery": {"root": str(folder / "tree"), "keep_free": "0", **delivery},
        "database": {"url": f"sqlite:///{folder}/state/orderwatch.db"},
    }
    return Settings.model_validate(tables, context={"resolve": True})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        new_database(tmp_path / "state")
        wanted = settings(tmp_path)
        house = await stack.enter_async_context(open_house(wanted, Redactor()))
        tree = await Builder(house, wanted, stack).tree(wanted.delivery.root)
        yield World(house.store, {None: tree}, {}, house.clock)


def said(events: LogCapture) -> list[str]:
    return [e["event"] for e in events.entries if e["event"] != "backup.done"]


async def test_a_tree_that_is_away_is_begun_and_ended_once_by_check_and_chores(
    tmp_path: Path, world: World, events: LogCapture
) -> None:
    care = take_care(settings(tmp_path), world)
    care.examiner.checks = [c for c in care.examiner.checks if c.kind != "certificate"]  # no network here
    await care.keeper.round()
    await care.examiner.round()
    assert {finding.ok for finding in care.examiner.findings.values()} == {True}
    assert care.keeper.last_backup is not None
    tree, aside = tmp_path / "tree", tmp_path / "aside"
    tree.rename(aside)
    tree.mkdir()
    for chore in (care.keeper.sweeping, care.keeper.scrub):
        await chore.do(utc_now())
    for check in care.examiner.checks:
        await check.run()
    tree.rmdir()
    aside.rename(tree)
    for check in care.examiner.checks:
        await check.run()
    assert said(events) == ["tree.unusable", "tree.usable"]


async def test_trouble_that_is_said_brings_its_check_forward(tmp_path: Path, world: World) -> None:
    times = [utc_now()]
    care = take_care(settings(tmp_path), replace(world, clock=Clock(wall=lambda: times[0])))
    care.examiner.checks = [c for c in care.examiner.checks if c.kind == "space"]
    await care.examiner.round()
    [first] = care.examiner.findings.values()
    times[0] += timedelta(minutes=1)
    for event, looked in (("delivery.stored", False), ("delivery.parked", True)):
        provoke(care, event)
        await care.examiner.round()
        assert (care.examiner.findings[first.name] is not first) is looked


async def test_a_reload_takes_up_what_is_kept_and_checked(tmp_path: Path, world: World) -> None:
    care = take_care(settings(tmp_path), world)
    before = care.keeper.scrub, care.examiner
    adjust(care, settings(tmp_path, scrub="0"), world)
    assert (care.keeper.scrub, care.examiner) == before
    assert care.keeper.scrub.weekly == 0


def test_each_https_host_is_checked_once_by_the_name_of_its_endpoint(tmp_path: Path) -> None:
    names = [check.name for check in certificates(settings(tmp_path), utc_now)]
    assert names == [f"certificate of main {what}" for what in ("token", "api", "accounts")]
