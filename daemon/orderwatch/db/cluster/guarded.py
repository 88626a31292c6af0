"""A database whose writes depend on something that is checked in the same transaction."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from orderwatch.db.database import Database, Work

R = TypeVar("R")


class GuardedDatabase(Database):
    """Runs `check` before each unit that writes; what it raises ends the transaction."""

    def __init__(self, database: Database, check: Work[object]) -> None:
        self._database = database
        self._check = check

    async def read(self, work: Work[R], *, retried: bool = True) -> R:
        return await self._database.read(work, retried=retried)

    async def read_in_turn(self, work: Work[R]) -> R:
        return await self._database.read_in_turn(work)

    async def write(self, work: Work[R], on_commit: Callable[[], object] = bool) -> R:
        def unit(db: Connection) -> R:
            self._check(db)
            return work(db)

        return await self._database.write(unit, on_commit)
