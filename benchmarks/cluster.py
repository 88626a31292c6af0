"""Compares one, two and four daemons on one PostgreSQL that share a delivery tree. Prints; asserts nothing.

Each is a whole daemon in a process of its own. nginx gives each connection `BYTES_PER_CONNECTION`, and each
host has few slots, so that connections are the limit rather than the cores. Files are published once every
daemon runs. `BENCH_RUNS` is the number of rounds; within a round the numbers of hosts take turns.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.transfer import Host, host, make_zip, running
from tests import postgres

from orderwatch.core.database_location import PostgresServer

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
HOSTS = (1, 2, 4)
BYTES_PER_CONNECTION = 4_000_000  # per second
FILE_BYTES = 16_000_000
FILES_PER_HOST = 16
SLOTS_PER_HOST = 2
PUBLISHED_AFTER_SECONDS = 20


def main() -> None:
    with TemporaryDirectory(prefix="orderwatch-bench-") as name, postgres.running() as server:
        base = Path(name)
        base.chmod(0o755)  # nginx reads the files as another user
        (base / "files").mkdir()
        make_zip(base / "files" / "one.zip", FILE_BYTES)
        names = [f"{number}.zip" for number in range(FILES_PER_HOST * max(HOSTS))]
        for linked in names:
            (base / "files" / linked).hardlink_to(base / "files" / "one.zip")
        with host(base, BYTES_PER_CONNECTION) as served:
            rates: dict[int, list[float]] = {hosts: [] for hosts in HOSTS}
            for round_ in range(RUNS):
                for hosts in HOSTS:
                    work = base / f"{round_}-{hosts}"
                    work.mkdir()
                    files = names[: FILES_PER_HOST * hosts]
                    rates[hosts].append(measured(work, served, files, server.new_database(), hosts))
                    print(f"round {round_ + 1}, {hosts} hosts: {rates[hosts][-1] / 1e6:.2f} MB/s", flush=True)
        show(rates)


def measured(work: Path, served: Host, files: Sequence[str], database: PostgresServer, hosts: int) -> float:
    """Return the bytes per second from the first request of a file to the last stored file."""
    (work / "scenario.toml").write_text(scenario(files, f"{served.url}/slow"))
    simulate = ["simulate", "--scenario", "scenario.toml", "--write-config", "config.toml"]
    with ExitStack() as stack:
        stack.enter_context(
            running(sys.executable, "-m", "orderwatch", *simulate, cwd=work, stdout=subprocess.DEVNULL)
        )
        while not (work / "config.toml").exists():
            time.sleep(0.05)
        for number in range(hosts):
            stack.enter_context(daemon(work, served, database, number))
        while len(stored := events(work, "delivery.stored")) < len(files):
            time.sleep(0.5)
    began = min(at(line) for line in events(work, "download.started"))
    return len(files) * FILE_BYTES / (max(map(at, stored)) - began)


def scenario(files: Sequence[str], storage: str) -> str:
    """Return one order whose files are all published at the same time."""
    scenes = ", ".join(f'{{ file_name = "{name}" }}' for name in files)
    return (
        f'[downloads]\nstorage = "{storage}"\n'
        '[[orders]]\ntask_id = 1\nstatus = [[0, "in_progress"]]\n'
        f'[[orders.captures]]\nstatus = [[0, "planned"], [{PUBLISHED_AFTER_SECONDS}, "published"]]\n'
        f"scenes = [{scenes}]\n"
    )


@contextmanager
def daemon(work: Path, served: Host, database: PostgresServer, number: int) -> Iterator[None]:
    settings = {
        "ORDERWATCH_CLUSTER__HOST": f"host-{number}",
        "ORDERWATCH_DATABASE__URL": str(database),
        "ORDERWATCH_DELIVERY__CONNECTIONS": "1",
        "ORDERWATCH_DELIVERY__KEEP_FREE": "0",
        "ORDERWATCH_DELIVERY__PARALLEL": str(SLOTS_PER_HOST),
        "ORDERWATCH_DELIVERY__ROOT": str(work / "tree"),
        "ORDERWATCH_HTTP__LISTEN": "",
        "ORDERWATCH_LOG__FORMAT": "json",
        "ORDERWATCH_POLLING__INTERVAL": "1s",
        "ORDERWATCH_POLLING__REQUESTS_PER_SECOND": "100",
    }
    command = [sys.executable, "-m", "orderwatch", "--config", "config.toml", "run"]
    with (
        (work / f"host-{number}.log").open("w") as log,
        running(*command, cwd=work, env={**served.environment, **settings}, stdout=log, stderr=log),
    ):
        yield


def events(work: Path, event: str) -> list[dict[str, Any]]:
    """Return the complete lines of this event in the logs of all hosts."""
    found = []
    for log in work.glob("host-*.log"):
        complete, _, _ = log.read_text().rpartition("\n")
        found += [json.loads(line) for line in complete.splitlines() if f'"{event}"' in line]
    return found


def at(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def show(rates: dict[int, list[float]]) -> None:
    """Print medians, and ratios to the single host of the same round."""
    for hosts, found in rates.items():
        ratios = [rate / single for rate, single in zip(found, rates[HOSTS[0]], strict=True)]
        print(
            f"{hosts} hosts: {statistics.median(found) / 1e6:6.2f} MB/s"
            f"   {statistics.median(ratios):.2f} times one host ({min(ratios):.2f}-{max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
