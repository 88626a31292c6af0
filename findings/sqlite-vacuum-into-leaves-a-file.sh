#!/usr/bin/env bash
# Guess: `VACUUM INTO 'b.db'` on a connection with `PRAGMA query_only=ON` either works, since it writes another file,
# or fails before it makes anything.
# What happens: it fails with "attempt to write a readonly database", and `b.db` is there all the same. Take a backup
# through a connection without query_only, and remove what a failed one has left.
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
connection = apsw.Connection(os.path.join(folder, "a.db"))
for statement in ("CREATE TABLE t (x)", "INSERT INTO t VALUES (1)", "PRAGMA query_only=ON"):
    list(connection.execute(statement))
print("SQLite", apsw.sqlite_lib_version())


def vacuum():
    try:
        list(connection.execute("VACUUM INTO ?", (os.path.join(folder, "b.db"),)))
    except apsw.Error as error:
        return f"{type(error).__name__}: {error}".replace(folder, ".")
    return "done"


first = vacuum()
left = os.path.exists(os.path.join(folder, "b.db"))
print("VACUUM INTO under query_only:", first)
print("a file b.db is left:", left)
assert first.startswith("ReadOnlyError"), "it works now"
assert left, "nothing is left behind now"
PYTHON
"$folder/venv/bin/python" "$folder/play.py" "$folder"
