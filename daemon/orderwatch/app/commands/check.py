"""Trying the world before the daemon depends on it: the daemon's checks, asked from outside.

Nothing is made, for it would belong to whoever asks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from orderwatch.app.daemon.maintenance import certificates
from orderwatch.app.factories import open_connection
from orderwatch.app.plan import rights_of, roots_of
from orderwatch.config import Settings
from orderwatch.db.integrity import damage_of
from orderwatch.db.migrate import Schema as Stand
from orderwatch.db.migrate import schema_of
from orderwatch.db.reader import open_reader
from orderwatch.errors import DatabaseError, DiskError
from orderwatch.ops.log import Redactor
from orderwatch.service.clock import utc_now
from orderwatch.service.fetching.mount_guard import check_mounted
from orderwatch.service.maintenance.checks.account import Contract, Credentials, Skew
from orderwatch.service.maintenance.checks.database import Integrity, Schema
from orderwatch.service.maintenance.checks.finding import Check, Finding
from orderwatch.service.maintenance.checks.tree import Mounted, Room
from orderwatch.transfer.fsops import Permissions
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.write_probe import room, try_writing


async def unmounted(settings: Settings) -> dict[Path, str]:
    """What is wrong with each such root. Nothing is written; a database that cannot be asked knows none."""
    found: dict[Path, str] = {}
    for root, volume in (await _known(settings)).items():
        try:
            await check_mounted(str(root), volume, FilesystemDestination(root))
        except DiskError as error:
            found[root] = str(error)
    return found


async def _known(settings: Settings) -> dict[Path, str]:
    path = settings.database.path
    try:
        if schema_of(path) is not Stand.CURRENT:
            return {}
        async with open_reader(path) as reader:
            asked = {root: await reader.volume(str(root.resolve())) for root in roots_of(settings).values()}
    except DatabaseError:
        return {}
    return {root: volume for root, volume in asked.items() if volume is not None}


async def run_checks(settings: Settings, redactor: Redactor) -> list[Finding]:
    """Try everything once, never stopping at the first trouble."""
    async with AsyncExitStack() as stack:
        checks = [check async for check in _checks(settings, redactor, stack)]
        found = [await check.run() for check in checks]
    return [finding for finding in found if finding is not None]


async def _checks(settings: Settings, redactor: Redactor, stack: AsyncExitStack) -> AsyncIterator[Check]:
    path = settings.database.path
    yield Schema(partial(_schema, path))
    if path.exists():
        yield Integrity(partial(damage_of, path))
    absent = await unmounted(settings)
    for root in roots_of(settings).values():
        yield Mounted(str(root), partial(_ready, root, rights_of(settings), absent.get(root)))
        yield Room(str(root), partial(_room, root, settings.delivery.keep_free))
    for name in settings.accounts:
        connection = await stack.enter_async_context(open_connection(name, settings, redactor))
        credentials = Credentials(name, connection.scope)
        contract = Contract(name, credentials, connection.probe)
        yield credentials
        yield contract
        yield Skew(name, partial(getattr, contract, "ahead"))
    for certificate in certificates(settings, utc_now):
        yield certificate


async def _schema(path: Path) -> str:
    words = {
        Stand.NONE: f"{path} will be made by the first start",
        Stand.BEHIND: f"{path} will be migrated by the next start",
        Stand.CURRENT: f"{path} is at this code's schema",
    }
    return words[schema_of(path)]


async def _ready(root: Path, permissions: Permissions, absent: str | None) -> str:
    if absent is not None:
        raise DiskError(absent)
    return await asyncio.to_thread(try_writing, root, permissions)


def _room(root: Path, keep_free: int) -> int:
    return max(0, room(root) - keep_free)
