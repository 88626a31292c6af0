"""A process killed while it migrates leaves all or nothing."""

import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.migrations.first import TABLES, at_head, columns, rows
from tests.patience import PATIENCE

from orderwatch.db.migrate import Schema, schema_of, upgrade

# The imports take far longer than the migration: one process has them, its forks are killed. Each line that
# comes in is a path and when to kill: after so many statements, or after so many seconds.
_FORKS = """
import os, signal, sys, time
from pathlib import Path
import alembic.command, alembic.config, alembic.util
from sqlalchemy import Engine, event
from orderwatch.db.migrate import upgrade

def upgrade_and_die(path, statements):
    left = iter(range(statements - 1, -2, -1))
    @event.listens_for(Engine, "after_cursor_execute")
    def count(*_):
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    upgrade(Path(path))
    os._exit(0)

for line in sys.stdin:
    path, kind, number = line.rstrip().split("|")
    child = os.fork()
    if child == 0:
        upgrade_and_die(path, int(number) if kind == "statements" else 10**6)
    if kind == "seconds":
        time.sleep(float(number))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    print(code, flush=True)
    if kind == "statements" and code == 0:
        break  # more statements than there are
"""


def run_killed(*kills: tuple[Path, str, float]) -> list[int]:
    """The exit codes of processes that upgrade these databases and are killed at these moments.

    Where statements are counted, the first that was not killed is the last.
    """
    lines = "".join(f"{path}|{kind}|{number}\n" for path, kind, number in kills)
    command = [sys.executable, "-c", _FORKS]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return [int(code) for code in done.stdout.split()]


def whole_or_nothing(database: Path, before: Schema = Schema.NONE) -> Schema:
    """Sound, and either as it was or at head; and the next start brings it to head."""
    found = schema_of(database, thorough=True)
    assert found in {before, Schema.CURRENT}
    upgrade(database)
    assert schema_of(database, thorough=True) is Schema.CURRENT
    return found


def killed_at_statements(databases: Sequence[Path], stride: int) -> int:
    """How many processes were killed, so many statements later each, until one was not."""
    *killed, last = run_killed(
        *((path, "statements", 1 + stride * number) for number, path in enumerate(databases))
    )
    assert (set(killed), last) == ({-9}, 0)
    return len(killed)


_MANY = 300  # more statements than an upgrade has
STRIDES = pytest.mark.parametrize("stride", [17, pytest.param(1, marks=pytest.mark.long)])


@STRIDES
def test_a_process_killed_after_any_of_its_statements_leaves_all_or_nothing(
    tmp_path: Path, stride: int
) -> None:
    databases = [tmp_path / f"{number}.db" for number in range(_MANY // stride)]
    killed = killed_at_statements(databases, stride)
    assert killed > 20 / stride  # every table and index is a statement of its own
    found = [schema_of(path, thorough=True) for path in databases[: killed + 1]]
    assert found == [*[Schema.NONE] * killed, Schema.CURRENT]
    for path in databases[:killed:9]:
        assert whole_or_nothing(path) is Schema.NONE


@STRIDES
def test_a_process_killed_while_it_brings_up_an_older_database_loses_no_row(
    tmp_path: Path, first: Path, stride: int
) -> None:
    databases = [Path(shutil.copy(first, tmp_path / f"{number}.db")) for number in range(_MANY // stride)]
    names = {table: columns(first, table) for table in TABLES}
    before = {table: rows(first, table, names[table]) for table in TABLES}
    killed = killed_at_statements(databases, stride)
    assert killed > 20 / stride  # every column is a statement of its own
    found = [schema_of(path, thorough=True) for path in databases[: killed + 1]]
    assert found == [*[Schema.BEHIND] * killed, Schema.CURRENT]
    for path in databases[: killed + 1 : 7]:
        whole_or_nothing(path, Schema.BEHIND)
        assert {table: rows(path, table, at_head(table, names[table])) for table in TABLES} == before


@pytest.mark.parametrize("seed", [20261122])
def test_a_process_killed_at_any_moment_leaves_all_or_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    kills = [(tmp_path / f"{number}.db", "seconds", chance.uniform(0, 0.08)) for number in range(6)]
    assert set(run_killed(*kills)) <= {-9, 0}
    for path, _, _ in kills:
        whole_or_nothing(path)
