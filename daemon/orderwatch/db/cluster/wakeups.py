"""Wakes all hosts when deliveries are queued or people act; a missed wakeup costs only time."""

from collections.abc import Callable

from sqlalchemy import Connection, func, select

from orderwatch.core.database_location import DatabaseLocation, PostgresServer
from orderwatch.db.engines import postgres

_CHANNEL = "orderwatch_queued"
_NOTIFY = select(func.pg_notify(_CHANNEL, ""))


def wake_hosts(db: Connection) -> None:
    """Wake every host when this transaction is committed; the only host of a file wakes itself."""
    if db.dialect.name == "postgresql":
        db.execute(_NOTIFY)


async def run_on_wakeup(location: DatabaseLocation, on_wakeup: Callable[[], None]) -> None:
    """Call `on_wakeup` whenever a host has queued a delivery or someone has acted, forever."""
    if isinstance(location, PostgresServer):
        await postgres.run_on_notification(location, _CHANNEL, on_wakeup)
