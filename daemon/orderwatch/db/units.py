"""A unit of work that may be run again, and counts once, also if the answer to its commit was lost."""

from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

R = TypeVar("R")

IS_COMMITTED = "is_committed"
"""The key, in `Connection.info`, of a function of a server's transaction.

It returns whether that transaction is committed, and is called with a later one that has the turn.
"""


class Unit(Generic[R]):
    """Runs the work, unless an earlier run of it was committed: then its result counts."""

    def __init__(self, work: Callable[[Connection], R]) -> None:
        self._work = work
        self._last: tuple[Callable[[Connection], bool], R] | None = None

    @property
    def may_be_committed(self) -> bool:
        """Whether the work was done in a transaction whose end is not known."""
        return self._last is not None

    def __call__(self, db: Connection) -> R:
        if self._last is not None:
            is_committed, result = self._last
            if is_committed(db):
                return result
            self._last = None
        result = self._work(db)
        if IS_COMMITTED in db.info:
            self._last = db.info[IS_COMMITTED], result
        return result
