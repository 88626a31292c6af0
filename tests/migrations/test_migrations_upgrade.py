"""Migrations up and down: all or nothing, and the tables are those of the code."""

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError
from tests.migrations.first import SEEN, TABLES, ask, at_head, columns, execute, rows, schema_in

from orderwatch.core.model import OrderState
from orderwatch.db import migrate as upgrading
from orderwatch.db.engines import sqlite as engine
from orderwatch.db.engines.sqlite import inspect_engine, upgrade_engine
from orderwatch.db.migrate import HEAD, Schema, migrations_folder, schema_of, upgrade
from orderwatch.db.repositories import open_store
from orderwatch.db.tables import metadata
from orderwatch.errors import DatabaseError

NEXT = f"{int(HEAD) + 1:04}"  # the migration that somebody will write


def difference(database: Path) -> list[Any]:
    """What Alembic would have to change to reach the tables of the code."""
    with inspect_engine(database).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        found: list[Any] = compare_metadata(context, metadata)
        return found


def with_an_order(database: Path) -> Path:
    execute(
        database,
        "INSERT INTO orders (id, account, order_id, task_id, word, doubts, state, document, version)"
        " VALUES (7, 'main', '23272', 23272, 'received', 0, 'open', '{}', 1)",
        "INSERT INTO captures (order_row, capture_id, word, doubts, lacking)"
        " VALUES (7, 'capture-1', 'planned', 0, 0)",
    )
    return database


def another_migration(folder: Path, body: str) -> Path:
    """A copy of the migrations with one more on top."""
    shutil.copytree(migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{NEXT}_another.py").write_text(
        f"import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = {NEXT!r}, {HEAD!r}\n"
        f"def upgrade():\n{body}"
    )
    return folder


def test_up_down_and_up_again_ends_at_the_tables_of_the_code_each_time(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    upgrade(database)
    assert difference(database) == []
    first = schema_in(database)
    upgrade(database, "base")
    assert schema_of(database) is Schema.NONE
    assert [name for _, name, sql in schema_in(database) if sql] == ["alembic_version"]
    upgrade(database)
    assert difference(database) == []
    assert parts(schema_in(database)) == parts(first)
    assert schema_of(database, thorough=True) is Schema.CURRENT


def test_the_comparison_would_see_a_difference(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    upgrade(database)
    execute(
        database,
        "DROP INDEX ix_deliveries_todo",
        "ALTER TABLE orders ADD COLUMN forgotten VARCHAR",
        "ALTER TABLE captures DROP COLUMN start",
    )
    seen = {change[0] for change in difference(database)}
    assert seen == {"add_index", "remove_column", "add_column"}


def test_the_code_and_the_migrations_agree_on_the_newest_schema() -> None:
    scripts = ScriptDirectory(str(migrations_folder()))
    assert scripts.get_heads() == [HEAD]
    assert scripts.get_bases() == ["0001"]
    revisions = [script.revision for script in scripts.walk_revisions()]
    # A newer schema is recognised by comparing revisions as words.
    assert revisions == sorted(revisions, reverse=True)
    assert all(len(revision) == len(HEAD) and revision.isdigit() for revision in revisions)


def test_a_database_of_the_first_release_keeps_every_row_on_its_way_up_and_down(first: Path) -> None:
    names = {table: columns(first, table) for table in TABLES}
    before = {table: rows(first, table, names[table]) for table in TABLES}
    schema = schema_in(first)
    assert schema_of(first, thorough=True) is Schema.BEHIND
    assert all(before.values())
    upgrade(first)
    assert schema_of(first, thorough=True) is Schema.CURRENT
    assert difference(first) == []
    assert {table: rows(first, table, at_head(table, names[table])) for table in TABLES} == before
    upgrade(first, "0001")
    assert {table: rows(first, table, columns(first, table)) for table in TABLES} == before
    assert parts(schema_in(first)) == parts(schema)
    assert schema_of(first, thorough=True) is Schema.BEHIND


def parts(schema: list[tuple[Any, ...]]) -> list[tuple[str, str, frozenset[str]]]:
    """Each with its lines, in which a table that was rebuilt differs by order and quotes alone."""
    return [
        (kind, name, frozenset(re.split(r",? *\n", (sql or "").replace('"', ""))))
        for kind, name, sql in schema
    ]


def test_what_the_first_release_did_not_know_is_filled_in(first: Path) -> None:
    """Every poll requested the captures too, unless the order itself was missing."""
    upgrade(first)
    assert ask(first, "SELECT id, looked_at, placed_at, listed FROM orders ORDER BY id") == [
        (7, SEEN, None, 0),
        (8, SEEN, None, 0),
        (9, None, None, 0),
    ]
    assert ask(first, "SELECT root, host FROM deliveries") == [(None, None), (None, None)]
    assert ask(first, "SELECT count(*) FROM deliveries WHERE furthest != durable") == [(0,)]
    assert ask(first, "SELECT * FROM accounts") == []
    assert ask(first, "SELECT * FROM trees") == []


def test_stored_pictures_of_the_first_release_have_their_time(first: Path) -> None:
    execute(first, "UPDATE deliveries SET attachment = 'preview'")
    upgrade(first)
    assert ask(first, "SELECT state, pictured_at FROM deliveries ORDER BY id") == [
        ("stored", SEEN),
        ("wanted", None),
    ]


@pytest.mark.parametrize(
    ("document", "priority"),
    [('{"priority": 13}', 13), ('{"priority": 0.5}', 0.5), ('{"priority": "high"}', 0), ("{}", 0), ("[", 0)],
)
def test_priorities_are_read_from_the_providers_document(first: Path, document: str, priority: float) -> None:
    execute(first, f"UPDATE orders SET document = '{document}'")  # noqa: S608 - our own
    upgrade(first)
    assert ask(first, "SELECT DISTINCT priority FROM orders") == [(priority,)]


async def test_the_orders_of_the_first_release_are_read_by_this_one(first: Path) -> None:
    upgrade(first)
    async with open_store(first) as store:
        found = await store.orders.list_all()
        assert [(o.account, o.task_id, o.state, o.version) for o in found] == [
            ("main", 23272, OrderState.OPEN, 4),
            ("main", 23273, OrderState.DONE, 9),
            ("other", 23272, OrderState.LOST, 1),
        ]
        assert [(d.root, d.path) for d in found[0].deliveries] == [(None, "a/s1.zip"), (None, None)]
        assert not await store.deliveries.reserve(found[0].deliveries[1], "A/S1.zip")


def test_an_upgrade_at_head_changes_nothing(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    upgrade(database)
    before = with_an_order(database).read_bytes()
    upgrade(database)
    assert database.read_bytes() == before


def test_an_upgrade_makes_the_folders_and_leaves_one_file(tmp_path: Path) -> None:
    database = tmp_path / "state" / "of it" / "orderwatch.db"
    upgrade(database)
    assert [path.name for path in database.parent.iterdir()] == ["orderwatch.db"]
    assert ask(database, "PRAGMA journal_mode") == [("wal",)]


def test_every_table_of_the_code_has_a_name_for_every_constraint(tmp_path: Path) -> None:
    """Only what has a name can be dropped by a later migration."""
    database = tmp_path / "orderwatch.db"
    upgrade(database)
    for table in metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints)
        ((sql,),) = ask(database, f"SELECT sql FROM sqlite_master WHERE name = '{table.name}'")  # noqa: S608 - our own
        named = [str(constraint.name) for constraint in table.constraints]
        assert [name for name in named if f"CONSTRAINT {name}" not in sql] == []


def test_a_migration_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """The last of its tables is there already: the others are not kept."""
    database = tmp_path / "orderwatch.db"
    execute(database, "CREATE TABLE transitions (song)", "INSERT INTO transitions VALUES ('kept')")
    before = schema_in(database)
    with pytest.raises(DatabaseError, match="table transitions already exists"):
        upgrade(database)
    assert schema_in(database) == before
    assert ask(database, "SELECT * FROM transitions") == [("kept",)]


@pytest.mark.parametrize(
    ("last_step", "reason"),
    [
        ("    op.execute('nonsense')\n", "syntax error"),
        (
            "    op.execute('UPDATE orders SET word = NULL')\n",
            "NOT NULL constraint failed.*nothing was changed",
        ),
        ("    op.execute('DELETE FROM orders')\n", "would break references; nothing was changed"),
    ],
    ids=["wrong statement", "refused value", "orphans"],
)
def test_a_later_migration_that_fails_leaves_data_and_schema_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_step: str, reason: str
) -> None:
    database = tmp_path / "orderwatch.db"
    upgrade(database)
    with_an_order(database)
    before = schema_in(database)
    body = (
        "    op.create_table('half', sa.Column('x', sa.String))\n"
        "    op.add_column('orders', sa.Column('half', sa.String))\n"
        "    op.execute(\"UPDATE captures SET word = 'half'\")\n"
    )
    folder = another_migration(tmp_path / "migrations", body + last_step)
    monkeypatch.setattr(upgrading, "migrations_folder", lambda: folder)
    with pytest.raises(DatabaseError, match=reason):
        upgrade(database)
    assert schema_in(database) == before
    assert ask(database, "SELECT word FROM captures") == [("planned",)]
    assert schema_of(database, thorough=True) is Schema.CURRENT


def test_rebuilding_a_parent_table_keeps_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With foreign keys on, the batch mode's DROP TABLE would have emptied them."""
    database = tmp_path / "orderwatch.db"
    upgrade(database)
    with_an_order(database)
    body = (
        "    with op.batch_alter_table('orders', recreate='always') as batch:\n"
        "        batch.alter_column('task_name', new_column_name='title')\n"
    )
    folder = another_migration(tmp_path / "migra%tions and more", body)
    monkeypatch.setattr(upgrading, "migrations_folder", lambda: folder)
    upgrade(database)
    assert ask(database, "SELECT task_id, title FROM orders") == [(23272, None)]
    assert ask(database, "SELECT order_row, capture_id FROM captures") == [(7, "capture-1")]
    assert ask(database, "SELECT version_num FROM alembic_version") == [(NEXT,)]
    with pytest.raises(DatabaseError, match=f"schema {NEXT}, newer than this version's"):
        schema_of(database)


def test_a_writer_in_the_way_is_waited_for_or_named_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "orderwatch.db"
    upgrade(database)
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.0)
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        DatabaseError, match="database is locked; check its disk, its permissions and who else"
    ):
        upgrade(database)
    with pytest.raises(OperationalError, match="locked"), upgrade_engine(database).begin():
        pytest.fail("the file is held")
    holder.close()
    upgrade(database)


def test_missing_migrations_are_an_error_and_make_no_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "migrations_folder", lambda: tmp_path / "none")
    with pytest.raises(DatabaseError, match=r"Path doesn't exist.*nothing was changed"):
        upgrade(tmp_path / "orderwatch.db")
    assert schema_of(tmp_path / "orderwatch.db") is Schema.NONE


def test_the_migrations_are_found_and_can_make_new_ones(tmp_path: Path) -> None:
    folder = migrations_folder()
    assert (folder / "env.py").is_file()
    copied = shutil.copytree(folder, tmp_path / "migrations")
    config = Config()
    config.set_main_option("script_location", str(copied))
    script = ScriptDirectory.from_config(config).generate_revision(NEXT, "one more", head=HEAD)
    assert script is not None
    assert (script.revision, script.down_revision) == (NEXT, HEAD)
