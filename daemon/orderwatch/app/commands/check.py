"""Runs the daemon's checks before it starts. Creates nothing, which would belong to the wrong user."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from orderwatch.app.commands.routes import routes
from orderwatch.app.daemon.maintenance import certificates
from orderwatch.app.factories import open_connection
from orderwatch.app.plan import Plan
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.db.integrity import find_damage
from orderwatch.db.migrate import Schema as SchemaState
from orderwatch.db.migrate import schema_of
from orderwatch.db.repositories import open_reader
from orderwatch.errors import DatabaseError, DiskError
from orderwatch.ops.log import Redactor
from orderwatch.service.clock import utc_now
from orderwatch.service.fetching.mount_guard import check_mounted
from orderwatch.service.maintenance.checks.account import (
    ClockSkewCheck,
    ContractCheck,
    CredentialsCheck,
    DeliveryCheck,
)
from orderwatch.service.maintenance.checks.database import IntegrityCheck, SchemaCheck
from orderwatch.service.maintenance.checks.finding import Check, CheckResult
from orderwatch.service.maintenance.checks.route import RouteCheck
from orderwatch.service.maintenance.checks.tree import SpaceCheck, TreeCheck
from orderwatch.transfer.fsops import Permissions, translate_os_errors
from orderwatch.transfer.tree.destination import FilesystemDestination
from orderwatch.transfer.tree.nested_mounts import nested_mounts
from orderwatch.transfer.write_probe import available_space, try_unnamed, try_writing


async def unmounted(plan: Plan) -> dict[Path, str]:
    """Return a problem for each root that is not mounted, as far as the database is readable."""
    found: dict[Path, str] = {}
    for root, volume in (await _known(plan)).items():
        try:
            await check_mounted(str(root), volume, FilesystemDestination(root))
        except DiskError as error:
            found[root] = str(error)
    return found


def copied_into(root: Path) -> str | None:
    """Return a remark about the folders of a tree that are separate mounts; None without any.

    Raises `DiskError` if one cannot be written.
    """
    mounts = nested_mounts(root)
    for mount in mounts:
        with translate_os_errors(f"cannot use {root / mount}"):
            try_unnamed(root / mount)
    if not mounts:
        return None
    return f"files are copied, not linked, into folders that are separate mounts: {', '.join(mounts)}"


async def _known(plan: Plan) -> dict[Path, str]:
    path = plan.database.location
    try:
        if schema_of(path) is not SchemaState.CURRENT:
            return {}
        async with open_reader(path) as reader:
            known = {
                root: await reader.deliveries.volume(str(root.resolve())) for root in plan.roots.values()
            }
    except DatabaseError:
        return {}
    return {root: volume for root, volume in known.items() if volume is not None}


async def run_checks(plan: Plan, redactor: Redactor) -> list[CheckResult]:
    """Run every check once; a failed one does not stop the others."""
    async with AsyncExitStack() as stack:
        checks = [check async for check in _checks(plan, redactor, stack)]
        found = [await check.run() for check in checks]
    return [finding for finding in found if finding is not None]


async def _checks(plan: Plan, redactor: Redactor, stack: AsyncExitStack) -> AsyncIterator[Check]:
    path = plan.database.location
    yield SchemaCheck(partial(_schema, path))
    if isinstance(path, Path) and path.exists():
        yield IntegrityCheck(partial(find_damage, path))
    absent = await unmounted(plan)
    for root in plan.roots.values():
        yield TreeCheck(str(root), partial(_ready, root, plan.permissions, absent.get(root)))
        yield SpaceCheck(str(root), partial(_room, root, plan.keep_free))
    for host, proxy in (await routes(plan)).items():
        yield RouteCheck(host, proxy)
    for name, account in plan.accounts.items():
        connection = await stack.enter_async_context(open_connection(account, plan.network, redactor))
        credentials = CredentialsCheck(name, connection.scope)
        contract = ContractCheck(name, credentials, connection.probe)
        yield credentials
        yield contract
        for delivery_api in connection.delivery_apis:
            yield DeliveryCheck(name, delivery_api, contract, connection.probe_delivery)
        yield ClockSkewCheck(name, partial(getattr, contract, "ahead"))
    for certificate in certificates(plan, utc_now):
        yield certificate


async def _schema(path: DatabaseLocation) -> str:
    details = {
        SchemaState.NONE: f"the first start creates {path}",
        SchemaState.BEHIND: f"the next start migrates {path}",
        SchemaState.CURRENT: f"{path} has the current schema",
    }
    return details[schema_of(path)]


async def _ready(root: Path, permissions: Permissions, absent: str | None) -> str:
    if absent is not None:
        raise DiskError(absent)
    found = await asyncio.to_thread(try_writing, root, permissions)
    copied = await asyncio.to_thread(copied_into, root)
    return f"{found}; {copied}" if copied else found


def _room(root: Path, keep_free: int) -> int:
    return max(0, available_space(root) - keep_free)
