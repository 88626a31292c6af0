#!/usr/bin/env bash
# Guess: a reader that opens a sound, closed WAL database with `mode=ro` leaves the folder as it found it. That is
# what read-only says.
# What happens: the reader makes `-wal` and `-shm` beside the file and leaves both behind when it closes. A writer
# (`mode=rw`) removes them when it closes. So a "read-only" check by another user leaves files of that user's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check apsw==3.50.4.0
cat > "$folder/play.py" <<'PYTHON'
import os
import sys

import apsw

folder = sys.argv[1]
path = os.path.join(folder, "a.db")


def beside():
    return sorted(name for name in os.listdir(folder) if name.startswith("a.db"))


def read(mode):
    flags = apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_READWRITE
    connection = apsw.Connection(f"file:{path}?mode={mode}", flags=flags)
    rows = list(connection.execute("SELECT x FROM t"))
    connection.close()
    return rows


connection = apsw.Connection(path)
for statement in ("PRAGMA journal_mode=WAL", "CREATE TABLE t (x)", "INSERT INTO t VALUES (1)"):
    list(connection.execute(statement))
connection.close()
print("SQLite", apsw.sqlite_lib_version())
print("closed by its writer:", beside())
assert beside() == ["a.db"]
read("ro")
print("after a reader with mode=ro has closed:", beside())
assert beside() == ["a.db", "a.db-shm", "a.db-wal"], "a reader leaves nothing behind now"
read("rw")
print("after one with mode=rw has closed:", beside())
assert beside() == ["a.db"]
PYTHON
"$folder/venv/bin/python" "$folder/play.py" "$folder"
