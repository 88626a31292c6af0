"""Counts the transactions of four daemons on one PostgreSQL that have nothing to do. Prints; asserts nothing.

`SECONDS` is how long it counts. Statements by frequency come with it, from the server's log.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.transfer import running
from tests import postgres

from orderwatch.core.database_location import PostgresServer

HOSTS = 4
SECONDS = float(os.environ.get("BENCH_SECONDS", "60"))
SETTLE_SECONDS = 30.0  # until every account has its host
MAX_STATEMENTS = 15
SCENARIO = '[[orders]]\ntask_id = 1\nstatus = [[0, "in_progress"]]\nstart = 864000\nend = 1728000\n'


def main() -> None:
    with (
        TemporaryDirectory(prefix="orderwatch-bench-") as name,
        postgres.running() as server,
        ExitStack() as stack,
    ):
        work = Path(name)
        (work / "scenario.toml").write_text(SCENARIO)
        simulate = ["simulate", "--scenario", "scenario.toml", "--write-config", "config.toml"]
        stack.enter_context(
            running(sys.executable, "-m", "orderwatch", *simulate, cwd=work, stdout=subprocess.DEVNULL)
        )
        while not (work / "config.toml").exists():
            time.sleep(0.05)
        database = server.new_database()
        for number in range(HOSTS):
            stack.enter_context(daemon(work, database, number))
        time.sleep(SETTLE_SECONDS)
        server.sql("postgres", "ALTER SYSTEM SET log_statement = 'all'")
        server.sql("postgres", "SELECT pg_reload_conf()")
        logged = len(server.log)
        time.sleep(SECONDS)
        counted = server.log.count("BEGIN", logged)
        print(f"{counted / SECONDS:.2f} transactions per second of {HOSTS} hosts")
        found = re.findall(r"(?:execute [^:]+|statement): (.{0,150})", server.log[logged:])
        for statement, times in Counter(found).most_common(MAX_STATEMENTS):
            print(f"{times / SECONDS:6.2f} per second  {statement}")


@contextmanager
def daemon(work: Path, database: PostgresServer, number: int) -> Iterator[None]:
    settings = {
        "ORDERWATCH_CLUSTER__HOST": f"host-{number}",
        "ORDERWATCH_DATABASE__URL": str(database),
        "ORDERWATCH_DELIVERY__KEEP_FREE": "0",
        "ORDERWATCH_DELIVERY__ROOT": str(work / "tree"),
        "ORDERWATCH_HTTP__LISTEN": "",
        "ORDERWATCH_POLLING__INTERVAL": "5m",
    }
    command = [sys.executable, "-m", "orderwatch", "--config", "config.toml", "run"]
    with (
        (work / f"host-{number}.log").open("w") as log,
        running(*command, cwd=work, env=os.environ | settings, stdout=log, stderr=log),
    ):
        yield


if __name__ == "__main__":
    main()
