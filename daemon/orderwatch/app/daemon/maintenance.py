"""Creates the daemon's maintenance tasks and checks, and adjusts them after a reload."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from orderwatch.app.factories import catalog_trees
from orderwatch.app.plan import Plan
from orderwatch.app.trees.tree import Tree
from orderwatch.config import Database
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.orders.circuit_breaker import OpenCircuit
from orderwatch.db.backup import Backups
from orderwatch.db.integrity import find_damage
from orderwatch.db.migrate import HEAD, schema_of
from orderwatch.db.repositories import Store
from orderwatch.service.account_breaker import AccountBreaker
from orderwatch.service.catalog import CatalogUpdater
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.disk_budget import DiskBudget
from orderwatch.service.fetching.mount_guard import MountGuard
from orderwatch.service.maintenance.check_runner import CheckRunner
from orderwatch.service.maintenance.checks.account import AccountCheck, ClockSkewCheck
from orderwatch.service.maintenance.checks.certificate import CertificateCheck
from orderwatch.service.maintenance.checks.database import IntegrityCheck, SchemaCheck
from orderwatch.service.maintenance.checks.finding import Check
from orderwatch.service.maintenance.checks.tree import SpaceCheck, TreeCheck
from orderwatch.service.maintenance.maintenance import Maintenance, NightlyBackup, PartialSweep, Retention
from orderwatch.service.maintenance.scrub import Scrub, ScrubTree

_SUNDAY = 6
# Events that make a check due early, with its kind.
_CHECK_KIND_BY_EVENT = {
    "delivery.parked": "space",
    "tree.usable": "space",
    "account.unavailable": "certificate",
}


class HeldTree(Protocol):
    """A delivery tree locked by this process, and its disk budget."""

    @property
    def tree(self) -> Tree: ...

    @property
    def space(self) -> DiskBudget: ...

    @property
    def volume(self) -> MountGuard: ...


@dataclass(frozen=True, slots=True)
class MaintenanceTargets:
    """What is maintained and checked: `trees` by their key in the rows, `breakers` by account.

    The catalog may be another host's work than the rest, so its writes have a store of their own.
    """

    store: Store
    catalog_store: Store
    trees: Mapping[str | None, HeldTree]
    breakers: Mapping[str, AccountBreaker]
    clock: Clock


@dataclass(frozen=True, slots=True)
class MaintenanceTasks:
    maintenance: Maintenance
    check_runner: CheckRunner
    backups: Backups
    catalog_updater: CatalogUpdater


def build_maintenance(plan: Plan, targets: MaintenanceTargets) -> MaintenanceTasks:
    """Create the maintenance tasks and the checks."""
    database, clock = plan.database, targets.clock
    backups = backups_of(database)
    maintenance = Maintenance(
        NightlyBackup(backups),
        Retention(targets.store, database.retain, lambda: clock.confirmed),
        PartialSweep([tree.volume for tree in targets.trees.values()]),
        Scrub(targets.store, _scrub_trees(plan, targets), plan.scrub),
        now=clock.now,
    )
    catalog_updater = CatalogUpdater(targets.catalog_store, catalog_trees(plan, targets.trees))
    return MaintenanceTasks(
        maintenance, CheckRunner(_checks(plan, targets), clock.now), backups, catalog_updater
    )


def backups_of(database: Database) -> Backups:
    """Return the nightly backups of a file; a server's database has none of ours."""
    if database.is_shared:
        return Backups(Path(), Path(), keep=0)
    return Backups(database.file, database.backups_path, database.backups)


def adjust(tasks: MaintenanceTasks, plan: Plan, targets: MaintenanceTargets) -> None:
    """Apply another plan; problems that are open stay open and are ended once."""
    database = plan.database
    renewed = backups_of(database)
    tasks.backups.folder, tasks.backups.keep = renewed.folder, renewed.keep
    tasks.maintenance.retention.after = database.retain
    tasks.maintenance.sweeping.volumes = [tree.volume for tree in targets.trees.values()]
    tasks.maintenance.scrub.trees = _scrub_trees(plan, targets)
    tasks.catalog_updater.replace_trees(catalog_trees(plan, targets.trees))
    tasks.maintenance.scrub.weekly = plan.scrub
    tasks.check_runner.checks = _checks(plan, targets)


def on_event(tasks: MaintenanceTasks, event: str) -> None:
    """Handle a logged event: make the check that may explain it due early."""
    if kind := _CHECK_KIND_BY_EVENT.get(event):
        tasks.check_runner.request(kind)


def certificates(plan: Plan, now: Callable[[], datetime]) -> Iterator[CertificateCheck]:
    """Yield one check for each host and port used over HTTPS."""
    seen: set[tuple[str | None, int | None]] = set()
    for account in plan.accounts.values():
        for what, url in account.endpoints.items():
            parts = urlsplit(url)
            if parts.scheme == "https" and (at := (parts.hostname, parts.port)) not in seen:
                seen.add(at)
                yield CertificateCheck(f"{account.name} {what}", url, now, plan.network)


def _checks(plan: Plan, targets: MaintenanceTargets) -> list[Check]:
    path, clock = plan.database.location, targets.clock
    checks: list[Check] = []
    for key, tree in targets.trees.items():
        root = str(plan.roots[key])
        checks += [
            TreeCheck(root, tree.volume.ready),
            SpaceCheck(root, tree.space.available, targets.store.statistics.largest_parked, key),
        ]
    return [
        *checks,
        SchemaCheck(partial(_schema, path)),
        *([IntegrityCheck(partial(_damage, path, clock.now))] if isinstance(path, Path) else []),
        *(AccountCheck(name, partial(_trouble, breaker)) for name, breaker in targets.breakers.items()),
        ClockSkewCheck("the provider", lambda: clock.ahead().total_seconds()),
        *certificates(plan, clock.now),
    ]


def _scrub_trees(plan: Plan, targets: MaintenanceTargets) -> dict[str | None, ScrubTree]:
    return {
        key: ScrubTree(str(plan.roots[key]), held.tree.inspector(), held.volume.ready)
        for key, held in targets.trees.items()
    }


async def _schema(path: DatabaseLocation) -> str:
    await asyncio.to_thread(schema_of, path)  # may wait for the database
    return f"is {HEAD}, the current one"


async def _damage(path: Path, now: Callable[[], datetime]) -> str | None:
    """Check quickly, and on Sundays in full."""
    return await find_damage(path, thorough=now().weekday() == _SUNDAY)


def _trouble(breaker: AccountBreaker) -> OpenCircuit | None:
    return breaker.trouble
