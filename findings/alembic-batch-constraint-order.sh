#!/usr/bin/env bash
# Guess: a migration is deterministic. batch_alter_table, which has to rebuild a table on SQLite, writes the constraints in
# the order of the table that it read; or if some set is in between, PYTHONHASHSEED=0 makes every run the same.
#
# What happens: the same migration of the same table writes the named constraints in another order from process to process,
# so that the schema's text differs between two installations. PYTHONHASHSEED=0 does not help: the order follows the memory
# addresses of the constraint objects, which Linux randomises for each process (SQLAlchemy's Table.constraints is a set, and
# Alembic iterates over it unsorted).
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check alembic==1.20.1 sqlalchemy==2.1.9; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

cat >migrate.py <<'PYTHON'
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

with sa.create_engine("sqlite://").begin() as db:
    db.exec_driver_sql("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
    db.exec_driver_sql("""CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT,
        CONSTRAINT one CHECK (a > 0), CONSTRAINT two CHECK (a < 9), CONSTRAINT three UNIQUE (a),
        CONSTRAINT four UNIQUE (b), CONSTRAINT five FOREIGN KEY (a) REFERENCES parents (id))""")
    operations = Operations(MigrationContext.configure(db))
    with operations.batch_alter_table("t") as batch:
        batch.add_column(sa.Column("c", sa.Text()))
        batch.alter_column("b", nullable=False)
    schema = db.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 't'").scalar_one()
print(*[line.split()[1] for line in schema.splitlines() if "CONSTRAINT" in line])
PYTHON

venv/bin/python -c 'import alembic, sqlalchemy; print("alembic", alembic.__version__, "SQLAlchemy", sqlalchemy.__version__)'
echo "The order of a rebuilt table's constraints differs from run to run, with PYTHONHASHSEED=0 too. Written as one two three four five:"
for _ in 1 2 3 4 5 6 7 8; do PYTHONHASHSEED=0 venv/bin/python migrate.py; done | tee orders
[ "$(sort -u orders | wc -l)" -gt 1 ] || { echo "the behaviour has changed" >&2; exit 1; }
