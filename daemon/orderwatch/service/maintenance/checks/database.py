"""Checks the schema and the integrity of the database."""

from collections.abc import Awaitable, Callable

from orderwatch.errors import BusyError, DatabaseError
from orderwatch.service.maintenance.checks.finding import CheckResult, NamedCheck


class SchemaCheck(NamedCheck):
    """Checks the schema. `request` describes it, or raises `DatabaseError`."""

    def __init__(self, request: Callable[[], Awaitable[str]]) -> None:
        super().__init__("schema")
        self._request = request

    async def run(self) -> CheckResult | None:
        try:
            return self.found(await self._request())
        except BusyError:
            return None
        except DatabaseError as error:
            return self.bad(str(error), "see: orderwatch migrate")


class IntegrityCheck(NamedCheck):
    """Checks the database file. `request` returns the damage, None if intact; it raises `DatabaseError`."""

    kind = "database"

    def __init__(self, request: Callable[[], Awaitable[str | None]]) -> None:
        super().__init__("database")
        self._request = request

    async def run(self) -> CheckResult | None:
        try:
            damage = await self._request()
        except BusyError:
            return None
        except DatabaseError as error:
            damage = str(error)
        if damage is None:
            return self.found("is intact")
        return self.bad(damage, "stop the daemon, then: orderwatch restore BACKUP")
