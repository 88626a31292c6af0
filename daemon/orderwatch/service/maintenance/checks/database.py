"""Whether the database is of this code's schema, and whole."""

from collections.abc import Awaitable, Callable

from orderwatch.errors import BusyError, DatabaseError
from orderwatch.service.maintenance.checks.finding import Finding, Named


class Schema(Named):
    """`ask` says in words how the schema stands; it raises `DatabaseError`."""

    def __init__(self, ask: Callable[[], Awaitable[str]]) -> None:
        super().__init__("schema")
        self._ask = ask

    async def run(self) -> Finding | None:
        try:
            return self.found(await self._ask())
        except BusyError:
            return None
        except DatabaseError as error:
            return self.bad(str(error), "see: orderwatch migrate")


class Integrity(Named):
    """`ask` reads the file: None where it is whole, else what is wrong; it raises `DatabaseError`."""

    kind = "database"

    def __init__(self, ask: Callable[[], Awaitable[str | None]]) -> None:
        super().__init__("database")
        self._ask = ask

    async def run(self) -> Finding | None:
        try:
            damage = await self._ask()
        except BusyError:
            return None
        except DatabaseError as error:
            damage = str(error)
        if damage is None:
            return self.found("is whole")
        return self.bad(damage, "stop the daemon, then: orderwatch restore BACKUP")
