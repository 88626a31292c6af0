"""INSERT … ON CONFLICT on both engines."""

from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.dialects.sqlite.dml import Insert, OnConflictClause, OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.ext.compiler import compiles

__all__ = ["upsert", "upsert_rows"]


@cache
def upsert_rows(table: Table, names: tuple[str, ...], keys: tuple[str, ...]) -> Insert:
    """Return the statement that inserts rows with these columns, or writes those that have the same keys.

    It is built once, since to build a statement costs more than to execute it.
    """
    statement = upsert(table)
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)


# PostgreSQL's compiler reads the same clauses and the name of a constraint, of which we use none.


@compiles(OnConflictDoNothing, "postgresql")
def _do_nothing(clause: OnConflictClause, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    vars(clause)["constraint_target"] = None
    text: str = compiler.visit_on_conflict_do_nothing(clause, **options)
    return text


@compiles(OnConflictDoUpdate, "postgresql")
def _do_update(clause: OnConflictClause, compiler: Any, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    vars(clause)["constraint_target"] = None
    text: str = compiler.visit_on_conflict_do_update(clause, **options)
    return text
