"""Wakes the workers of other hosts when deliveries are queued; a missed wakeup costs only time."""

from collections.abc import Callable

from sqlalchemy import Connection, func, select

from orderwatch.core.database_location import DatabaseLocation, PostgresServer

_CHANNEL = "orderwatch_queued"
_NOTIFY = select(func.pg_notify(_CHANNEL, ""))


def wake_hosts(db: Connection) -> None:
    """Wake every host when this transaction is committed; the only host of a file wakes itself."""
    if db.dialect.name == "postgresql":
        db.execute(_NOTIFY)


async def run_on_wakeup(location: DatabaseLocation, on_wakeup: Callable[[], None]) -> None:
    """Call `on_wakeup` whenever a host has queued a delivery, forever."""
    if isinstance(location, PostgresServer):
        from orderwatch.db.engines import postgres  # noqa: PLC0415 - an embedded database spares its dialect

        await postgres.run_on_notification(location, _CHANNEL, on_wakeup)
