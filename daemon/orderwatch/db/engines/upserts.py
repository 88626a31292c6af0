"""INSERT … ON CONFLICT on both engines."""

from typing import Any

from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.dialects.sqlite.dml import OnConflictClause, OnConflictDoNothing, OnConflictDoUpdate
from sqlalchemy.ext.compiler import compiles

__all__ = ["upsert"]

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
