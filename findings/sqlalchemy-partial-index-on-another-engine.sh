#!/usr/bin/env bash
# Guess: an index that is partial by `sqlite_where` alone is refused on PostgreSQL, or a warning says that the condition is left out.
#
# What happens: it becomes a full index without a word. A unique one then refuses rows that the partial one allows: of a history of
# ended jobs only one can be kept. The condition has to be given once for each engine.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check sqlalchemy==2.1.9; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"

cat >index.py <<'PYTHON'
import sys

from sqlalchemy import Column, Index, MetaData, String, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex

jobs = Table("jobs", MetaData(), Column("name", String), Column("state", String))
open_jobs = Index("open_jobs", jobs.c.name, unique=True, sqlite_where=text("state = 'open'"))
dialect = {"sqlite": sqlite, "postgresql": postgresql}[sys.argv[1]].dialect()
print(CreateIndex(open_jobs).compile(dialect=dialect))
PYTHON

venv/bin/python -c 'import sqlalchemy; print("SQLAlchemy", sqlalchemy.__version__)'
echo "One index, partial by sqlite_where, on both engines, with warnings as errors:"
for engine in sqlite postgresql; do venv/bin/python -W error index.py "$engine" | tee "$engine"; done
grep -q "WHERE" sqlite && ! grep -q "WHERE" postgresql || { echo "the behaviour has changed" >&2; exit 1; }
