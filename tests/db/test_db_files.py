"""Any file in the place of the database is recognised, or rejected with one line of advice."""

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.databases import blank
from tests.db.kit import a_delivery, an_order, facts, want

from orderwatch.core.orders.observe import Verdict
from orderwatch.db.engines.sqlite import inspect_engine
from orderwatch.db.migrate import HEAD, Schema, schema_of, upgrade
from orderwatch.db.repositories import open_store
from orderwatch.errors import DatabaseError

pytestmark = pytest.mark.sqlite

NEXT = f"{int(HEAD) + 1:04}"  # a schema that this code does not know yet


@contextmanager
def refused(database: Path, reason: str) -> Iterator[None]:
    """`DatabaseError` with one line that names the file."""
    with pytest.raises(DatabaseError, match=reason) as caught:
        yield
    line = str(caught.value)
    assert str(database) in line
    assert "\n" not in line
    assert len(line) < len(str(database)) + 400


def a_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read(path: Path) -> bytes:
    return path.read_bytes()


def execute(database: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(statement, values)
    connection.close()


def with_version(database: Path, version: object) -> Path:
    execute(database, "UPDATE alembic_version SET version_num = ?", version)
    return database


@pytest.mark.parametrize("thorough", [False, True])
def test_nothing_and_an_empty_file_and_an_empty_database_count_as_new(
    tmp_path: Path, *, thorough: bool
) -> None:
    database = tmp_path / "orderwatch.db"
    assert schema_of(database, thorough=thorough) is Schema.NONE
    assert not database.exists()
    database.touch()
    assert schema_of(database, thorough=thorough) is Schema.NONE
    execute(database, "VACUUM")
    assert schema_of(database, thorough=thorough) is Schema.NONE


def test_an_empty_file_is_made_a_database_by_the_first_upgrade(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    database.touch()
    upgrade(database)
    assert schema_of(database, thorough=True) is Schema.CURRENT


@pytest.mark.parametrize("thorough", [False, True])
def test_a_database_at_head_is_current_and_looking_changes_no_byte(database: Path, *, thorough: bool) -> None:
    before = database.read_bytes()
    assert schema_of(database, thorough=thorough) is Schema.CURRENT
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == ["orderwatch.db"]


async def test_a_database_can_be_looked_at_beside_its_open_writer(database: Path) -> None:
    async with open_store(database) as store:
        await store.orders.save(Verdict(order=an_order()))
        with closing(sqlite3.connect(database, isolation_level=None)) as half_way:
            half_way.execute("BEGIN IMMEDIATE")
            half_way.execute("DELETE FROM orders")
            assert schema_of(database, thorough=True) is Schema.CURRENT


@pytest.mark.parametrize(
    "content", [b"no database", b"SQLite format 3\0", os.urandom(9000)], ids=["text", "magic", "random"]
)
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    database = tmp_path / "orderwatch.db"
    database.write_bytes(content)
    for thorough in (False, True):
        with refused(database, "cannot be read as a database: .*; restore a backup"):
            schema_of(database, thorough=thorough)
    with refused(database, f"cannot be migrated to schema {HEAD}: .*; restore a backup"):
        upgrade(database)
    assert database.read_bytes() == content


def test_a_truncated_database_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    for length in range(512, len(blank()) - 4095, 4096 - 512):
        database.write_bytes(blank()[:length])
        with refused(database, "cannot be read as a database: .*; restore a backup"):
            schema_of(database, thorough=True)


def complaint_of(database: Path) -> str:
    try:
        schema_of(database, thorough=True)
    except DatabaseError as error:
        return str(error)
    return ""


async def test_damage_anywhere_is_found_or_does_no_harm_but_is_never_a_traceback(
    tmp_path: Path, database: Path
) -> None:
    async with open_store(database) as store:
        await want(store, *(a_delivery(f"scene-{n}", reason="cut" * 100) for n in range(90)))
    whole = read(database)
    chance = random.Random(20261122)
    reasons = []
    for _ in range(80):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 10, 100))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        reasons.append(complaint_of(a_file(tmp_path / "damaged.db", bytes(damaged))))
    assert len([reason for reason in reasons if reason]) > 30
    assert not [reason for reason in reasons if "\n" in reason]


def test_a_page_overwritten_in_the_middle_is_found_by_the_thorough_look(database: Path) -> None:
    (root,) = next(iter(facts(database, "SELECT rootpage FROM sqlite_master WHERE name = 'transitions'")))
    content = bytearray(database.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xa5" * 4096
    database.write_bytes(content)
    with refused(database, "damaged: .*; restore a backup"):
        schema_of(database, thorough=True)


@pytest.mark.parametrize("version", [NEXT, "9999", "zzz"])
def test_a_newer_schema_is_refused_and_never_migrated(database: Path, version: str) -> None:
    before = with_version(database, version).read_bytes()
    for thorough in (False, True):
        with refused(database, f"schema {version}, newer than this version's {HEAD}: upgrade orderwatch"):
            schema_of(database, thorough=thorough)
    with refused(database, "cannot be migrated to schema .*; nothing was changed"):
        upgrade(database)
    assert database.read_bytes() == before


def test_an_older_schema_is_behind_and_one_that_no_migration_knows_is_refused(database: Path) -> None:
    assert schema_of(with_version(database, "0000")) is Schema.BEHIND
    with refused(database, "Can't locate revision identified by '0000'; nothing was changed"):
        upgrade(database)


def test_a_version_that_is_no_word_is_refused(database: Path) -> None:
    with refused(with_version(database, b"\xff\x00"), "cannot be read as a database"):
        schema_of(database)
    execute(database, "UPDATE alembic_version SET version_num = ?", HEAD)
    execute(database, "INSERT INTO alembic_version VALUES (?)", NEXT)
    with refused(database, "newer than this version's"):
        schema_of(database)


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "orderwatch.db"
    execute(database, "CREATE TABLE songs (title)")
    before = database.read_bytes()
    with refused(database, r"another program's database; name another file in \[database\]"):
        schema_of(database)
    assert database.read_bytes() == before


@pytest.mark.parametrize("name", ["folder.db", "n" * 300], ids=["a folder", "a name that cannot be"])
def test_a_path_that_cannot_be_opened_is_refused_with_what_to_look_at(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.db").mkdir()
    database = tmp_path / name
    with refused(database, "cannot be read as a database: .*; check its disk, its permissions"):
        schema_of(database)
    with refused(database, f"cannot be migrated to schema {HEAD}: .*; check its disk, its permissions"):
        upgrade(database)


def test_a_log_that_a_killed_writer_left_belongs_to_the_database(tmp_path: Path, database: Path) -> None:
    """What was committed into the log counts, though the file itself does not hold it yet."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (NEXT,))
    for suffix in ("", "-wal"):
        shutil.copy(f"{database}{suffix}", f"{tmp_path / 'copy.db'}{suffix}")
    connection.close()
    with refused(tmp_path / "copy.db", "newer"):
        schema_of(tmp_path / "copy.db")


def test_a_deleted_databases_log_never_gets_into_a_new_one(tmp_path: Path, database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")
    with connection:
        connection.execute("CREATE TABLE ghost (x)")
    shutil.copy(f"{database}-wal", tmp_path / "new.db-wal")
    connection.close()
    upgrade(tmp_path / "new.db")
    assert schema_of(tmp_path / "new.db", thorough=True) is Schema.CURRENT
    with inspect_engine(tmp_path / "new.db").connect() as look:
        found = look.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'ghost'").scalar_one()
    assert found == 0
