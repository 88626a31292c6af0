"""What the commands share that act beside a running daemon."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import click

from orderwatch.app.operator import Operator
from orderwatch.app.plan import Plan
from orderwatch.cli.common import demand_current
from orderwatch.db.repositories import open_store
from orderwatch.errors import UnknownError
from orderwatch.ops.actor import current_actor


@asynccontextmanager
async def acting(plan: Plan) -> AsyncIterator[Operator]:
    """Open the database to act as the user of this process; report an unknown name as a usage error."""
    demand_current(plan.database.location)
    async with open_store(plan.database.location) as store:
        try:
            yield Operator(plan=plan, store=store, who=current_actor(), now=lambda: datetime.now(UTC))
        except UnknownError as error:
            raise click.ClickException(str(error)) from None
