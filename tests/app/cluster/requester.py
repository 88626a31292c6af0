"""One of several processes that request as much as they may: `--config CONFIG SECONDS`."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from orderwatch.app.factories import lanes_of, open_connection
from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.db.repositories import open_store
from orderwatch.errors import ProviderError
from orderwatch.ops.log import Redactor

TASKS_AT_ONCE = 3


def main() -> None:
    _, config, seconds = sys.argv[1:]
    with suppress(TimeoutError):
        asyncio.run(request(Path(config), float(seconds)))


async def request(config: Path, seconds: float) -> None:
    plan = resolve(load(config))
    async with (
        open_store(plan.database.location) as store,
        open_connection(
            plan.accounts["main"], plan.network, Redactor(), lanes=lanes_of(plan, store)
        ) as connection,
        asyncio.timeout(seconds),
        asyncio.TaskGroup() as tasks,
    ):

        async def repeat() -> None:
            while True:
                with suppress(ProviderError):
                    await connection.tasking.order("41001")

        for _ in range(TASKS_AT_ONCE):
            tasks.create_task(repeat())
