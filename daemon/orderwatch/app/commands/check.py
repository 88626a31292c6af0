"""Runs the daemon's checks before it starts. Creates nothing, which would belong to the wrong user."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from orderwatch.app.commands.routes import routes
from orderwatch.app.daemon.maintenance import certificates
from orderwatch.app.factories import open_connection
from orderwatch.app.plan import Plan, resolved
from orderwatch.app.trees.opening import open_trees
from orderwatch.app.trees.tree import Tree
from orderwatch.core.database_location import DatabaseLocation
from orderwatch.core.deliveries.delivery_root import BucketRoot, DeliveryRoot
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
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS, Permissions
from orderwatch.transfer.write_probe import available_space


async def unmounted(plan: Plan) -> dict[DeliveryRoot, str]:
    """Return a problem for each folder that is not mounted, as far as the database is readable."""
    folders = {key: root for key, root in plan.roots.items() if not isinstance(root, BucketRoot)}
    async with open_trees(plan, folders) as trees:
        return await _absent(plan, trees)


async def _absent(plan: Plan, trees: Mapping[str | None, Tree]) -> dict[DeliveryRoot, str]:
    """Return a problem for each tree that is another one than the database knows."""
    found: dict[DeliveryRoot, str] = {}
    known = await _known(plan)
    for tree in trees.values():
        if tree.root not in known:
            continue
        destination = tree.destination(DEFAULT_PERMISSIONS)
        try:
            await check_mounted(str(tree.root), known[tree.root], destination)
        except DiskError as error:
            found[tree.root] = str(error)
        finally:
            await destination.close()
    return found


async def _known(plan: Plan) -> dict[DeliveryRoot, str]:
    path = plan.database.location
    try:
        if schema_of(path) is not SchemaState.CURRENT:
            return {}
        async with open_reader(path) as reader:
            known = {root: await reader.deliveries.volume(resolved(root)) for root in plan.roots.values()}
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
    trees = await stack.enter_async_context(open_trees(plan, plan.roots))
    absent = await _absent(plan, trees)
    for tree in trees.values():
        yield TreeCheck(str(tree.root), partial(_ready, tree, plan.permissions, absent.get(tree.root)))
        yield SpaceCheck(str(tree.folder), partial(_room, tree.folder, plan.keep_free))
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


async def _ready(tree: Tree, permissions: Permissions, absent: str | None) -> str:
    if absent is not None:
        raise DiskError(absent)
    return await tree.try_writing(permissions)


def _room(folder: Path, keep_free: int) -> int:
    return max(0, available_space(folder) - keep_free)
