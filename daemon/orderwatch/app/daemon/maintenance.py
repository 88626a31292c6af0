"""The daemon's keeper and examiner, put together, and adjusted to another configuration."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from orderwatch.app.factories import catalogued
from orderwatch.app.plan import roots_of
from orderwatch.config import Settings
from orderwatch.core.orders.circuit_breaker import Trouble
from orderwatch.db.backup import Backups
from orderwatch.db.integrity import damage_of
from orderwatch.db.migrate import HEAD, schema_of
from orderwatch.db.store import Store
from orderwatch.service.account_breaker import Gate
from orderwatch.service.catalog import Cataloguer
from orderwatch.service.clock import Clock
from orderwatch.service.fetching.disk_budget import Space
from orderwatch.service.fetching.mount_guard import Volume
from orderwatch.service.maintenance.check_runner import Examiner
from orderwatch.service.maintenance.checks.account import Access, Skew
from orderwatch.service.maintenance.checks.certificate import Certificate
from orderwatch.service.maintenance.checks.database import Integrity, Schema
from orderwatch.service.maintenance.checks.finding import Check
from orderwatch.service.maintenance.checks.tree import Mounted, Room
from orderwatch.service.maintenance.maintenance import Keeper, Nightly, Retention, Sweeping
from orderwatch.service.maintenance.scrub import Scrub, Scrubbed
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
    def space(self) -> Space: ...

    @property
    def volume(self) -> Volume: ...


@dataclass(frozen=True, slots=True)
class World:
    """What there is to look after: `trees` by the names that rows have for them, `gates` by account."""

    store: Store
    trees: Mapping[str | None, HeldTree]
    gates: Mapping[str, Gate]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Care:
    keeper: Keeper
    examiner: Examiner
    backups: Backups
    cataloguer: Cataloguer


def take_care(settings: Settings, world: World) -> Care:
    """Keeper and examiner, who work with the daemon's crew."""
    database, clock = settings.database, world.clock
    backups = Backups(database.path, database.backups_path, database.backups)
    keeper = Keeper(
        Nightly(backups),
        Retention(world.store, database.retain, lambda: clock.confirmed),
        Sweeping([tree.volume for tree in world.trees.values()]),
        Scrub(world.store, _scrubbed(settings, world), settings.delivery.scrub),
        now=clock.now,
    )
    cataloguer = Cataloguer(world.store, catalogued(settings, world.trees))
    return Care(keeper, Examiner(_checks(settings, world), clock.now), backups, cataloguer)


def adjust(care: Care, settings: Settings, world: World) -> None:
    """After a reload: what was said stays said, and its end will be said as well."""
    care.backups.folder, care.backups.keep = settings.database.backups_path, settings.database.backups
    care.keeper.retention.after = settings.database.retain
    care.keeper.sweeping.volumes = [tree.volume for tree in world.trees.values()]
    care.keeper.scrub.trees = _scrubbed(settings, world)
    care.cataloguer.adjust(catalogued(settings, world.trees))
    care.keeper.scrub.weekly = settings.delivery.scrub
    care.examiner.checks = _checks(settings, world)


def provoke(care: Care, event: str) -> None:
    """Told of every event that is logged: trouble brings the checks forward that may explain it."""
    if kind := _PROVOKING.get(event):
        care.examiner.soon(kind)


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


def _checks(settings: Settings, world: World) -> list[Check]:
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
        *(Access(name, partial(_trouble, gate)) for name, gate in world.gates.items()),
        Skew("the provider", lambda: clock.ahead().total_seconds()),
        *certificates(settings, clock.now),
    ]


def _scrubbed(settings: Settings, world: World) -> dict[str | None, Scrubbed]:
    roots = roots_of(settings)
    return {
        key: Scrubbed(str(roots[key]), TreeInspector(roots[key]), tree.volume.ready)
        for key, tree in world.trees.items()
    }


async def _schema(path: Path) -> str:
    await asyncio.to_thread(schema_of, path)  # which may wait for the database
    return f"is {HEAD}, this code's"


async def _damage(path: Path, now: Callable[[], datetime]) -> str | None:
    """Each day quickly, on Sundays in full."""
    return await damage_of(path, thorough=now().weekday() == _SUNDAY)


def _trouble(gate: Gate) -> Trouble | None:
    return gate.trouble
