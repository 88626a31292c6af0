"""The daemon's keeper and examiner, put together, and adjusted to another configuration."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from orderwatch.app.factories import catalog_trees
from orderwatch.app.plan import roots_of
from orderwatch.config import Settings
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.db.backup import Backups
from orderwatch.db.integrity import damage_of
from orderwatch.db.migrate import HEAD, schema_of
from orderwatch.db.store import Store
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.catalog import CatalogUpdater
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.maintenance.check_runner import CheckRunner
from orderwatch.service.maintenance.checks.account import Access, Skew
from orderwatch.service.maintenance.checks.certificate import Certificate
from orderwatch.service.maintenance.checks.database import Integrity, Schema
from orderwatch.service.maintenance.checks.finding import Check
from orderwatch.service.maintenance.checks.tree import Mounted, Room
from orderwatch.service.maintenance.maintenance import Maintenance, NightlyBackup, PartialSweep, Retention
from orderwatch.service.maintenance.scrub import Scrub, ScrubTree
from orderwatch.transfer.tree.inspector import TreeInspector

_SUNDAY = 6
# What somebody says that had better be looked at soon, and which kind of check does.
_PROVOKING = {
    "delivery.parked": "space",
    "tree.usable": "space",
    "account.unavailable": "certificate",
}


class HeldTree(Protocol):
    """A delivery tree of this process, and the room in it."""

    @property
    def space(self) -> DiskBudget: ...

    @property
    def volume(self) -> MountGuard: ...


@dataclass(frozen=True, slots=True)
class MaintenanceTargets:
    """What there is to look after: `trees` by the names that rows have for them, `gates` by account."""

    store: Store
    trees: Mapping[str | None, HeldTree]
    breakers: Mapping[str, AccountBreaker]
    clock: Clock


@dataclass(frozen=True, slots=True)
class MaintenanceTasks:
    maintenance: Maintenance
    check_runner: CheckRunner
    backups: Backups
    catalog_updater: CatalogUpdater


def build_maintenance(settings: Settings, world: MaintenanceTargets) -> MaintenanceTasks:
    """Keeper and examiner, who work with the daemon's crew."""
    database, clock = settings.database, world.clock
    backups = Backups(database.path, database.backups_path, database.backups)
    maintenance = Maintenance(
        NightlyBackup(backups),
        Retention(world.store, database.retain, lambda: clock.confirmed),
        PartialSweep([tree.volume for tree in world.trees.values()]),
        Scrub(world.store, _scrubbed(settings, world), settings.delivery.scrub),
        now=clock.now,
    )
    catalog_updater = CatalogUpdater(world.store, catalog_trees(settings, world.trees))
    return MaintenanceTasks(
        maintenance, CheckRunner(_checks(settings, world), clock.now), backups, catalog_updater
    )


def adjust(care: MaintenanceTasks, settings: Settings, world: MaintenanceTargets) -> None:
    """After a reload: what was said stays said, and its end will be said as well."""
    care.backups.folder, care.backups.keep = settings.database.backups_path, settings.database.backups
    care.maintenance.retention.after = settings.database.retain
    care.maintenance.sweeping.volumes = [tree.volume for tree in world.trees.values()]
    care.maintenance.scrub.trees = _scrubbed(settings, world)
    care.catalog_updater.adjust(catalog_trees(settings, world.trees))
    care.maintenance.scrub.weekly = settings.delivery.scrub
    care.check_runner.checks = _checks(settings, world)


def on_event(care: MaintenanceTasks, event: str) -> None:
    """Told of every event that is logged: trouble brings the checks forward that may explain it."""
    if kind := _PROVOKING.get(event):
        care.check_runner.soon(kind)


def certificates(settings: Settings, now: Callable[[], datetime]) -> Iterator[Certificate]:
    """One check for each host and port that is asked by https."""
    seen: set[tuple[str | None, int | None]] = set()
    for name, account in settings.accounts.items():
        endpoints = {"token": account.token_url, "api": account.endpoints.api}
        if account.credentials == "platform":
            endpoints["accounts"] = account.endpoints.accounts
        for what, url in endpoints.items():
            parts = urlsplit(url)
            if parts.scheme == "https" and (at := (parts.hostname, parts.port)) not in seen:
                seen.add(at)
                yield Certificate(f"{name} {what}", url, now)


def _checks(settings: Settings, world: MaintenanceTargets) -> list[Check]:
    path, clock, roots = settings.database.path, world.clock, roots_of(settings)
    checks: list[Check] = []
    for key, tree in world.trees.items():
        root = str(roots[key])
        checks += [
            Mounted(root, tree.volume.ready),
            Room(root, tree.space.room, world.store.largest_parked, key),
        ]
    return [
        *checks,
        Schema(partial(_schema, path)),
        Integrity(partial(_damage, path, clock.now)),
        *(Access(name, partial(_trouble, breaker)) for name, breaker in world.breakers.items()),
        Skew("the provider", lambda: clock.ahead().total_seconds()),
        *certificates(settings, clock.now),
    ]


def _scrubbed(settings: Settings, world: MaintenanceTargets) -> dict[str | None, ScrubTree]:
    roots = roots_of(settings)
    return {
        key: ScrubTree(str(roots[key]), TreeInspector(roots[key]), tree.volume.ready)
        for key, tree in world.trees.items()
    }


async def _schema(path: Path) -> str:
    await asyncio.to_thread(schema_of, path)  # which may wait for the database
    return f"is {HEAD}, this code's"


async def _damage(path: Path, now: Callable[[], datetime]) -> str | None:
    """Each day quickly, on Sundays in full."""
    return await damage_of(path, thorough=now().weekday() == _SUNDAY)


def _trouble(breaker: AccountBreaker) -> OpenCircuit | None:
    return breaker.trouble
