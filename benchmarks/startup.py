"""Measures how soon the daemon is ready, what it costs at rest, and short commands. Prints; asserts nothing.

`BENCH_BEFORE` names the Python of another build to be measured in turn with this one, `BENCH_RUNS` the runs
of each. The provider is simulated in another process, the account has no order, and the database is there.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

RUNS = int(os.environ.get("BENCH_RUNS", "7"))
REST_SECONDS = 10
_TICKS = os.sysconf("SC_CLK_TCK")

SETTINGS = """
[[watch]]
account = "main"
task_name = "*"
[polling]
interval = "2s"
[delivery]
root = "{folder}/tree"
keep_free = "0"
[database]
url = "sqlite:///{folder}/state/orderwatch.db"
"""


class Measurement(NamedTuple):
    ready: float  # seconds from the start of the process
    cpu: float  # seconds until then
    resident: float  # MB after the rest
    private: float  # MB of it that no other process shares
    at_rest: float  # seconds of CPU per minute
    version: float  # seconds of CPU of each command, beside the daemon
    status: float


def main() -> None:
    builds = {"orderwatch": sys.executable}
    if before := os.environ.get("BENCH_BEFORE"):
        builds["the build before"] = before
    results: dict[str, list[Measurement]] = {name: [] for name in builds}
    with provider() as account:
        for _ in range(RUNS):
            for name, python in builds.items():
                with TemporaryDirectory(prefix="orderwatch-bench-") as folder:
                    results[name].append(measure(python, Path(folder), account))
    for name, measurements in results.items():
        print(f"  {name}: {described(measurements)}")


def described(measurements: Sequence[Measurement]) -> str:
    middle = Measurement(*(statistics.median(values) for values in zip(*measurements, strict=True)))
    return (
        f"ready after {middle.ready:.2f} s, {middle.cpu:.2f} s of CPU; at rest {middle.resident:.0f} MB, "
        f"{middle.private:.0f} MB of it private, {middle.at_rest:.2f} s of CPU a minute; CPU of "
        f"--version {middle.version:.2f} s, status {middle.status:.2f} s"
    )


@contextmanager
def provider() -> Iterator[str]:
    """Run a simulated provider without orders; yields the settings of its account."""
    command = [sys.executable, "-m", "benchmarks.startup", "provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout is not None  # noqa: S101 - for the type checker
        yield "".join(iter(process.stdout.readline, "\n"))
        process.terminate()


def measure(python: str, folder: Path, account: str) -> Measurement:
    config = folder / "config.toml"
    config.touch(mode=0o600)
    config.write_text(account + SETTINGS.format(folder=folder), encoding="utf-8")
    orderwatch = [python, "-m", "orderwatch", "--config", str(config)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*orderwatch, "migrate"], check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603 - ours
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(folder / "notify"))
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - ours
            [*orderwatch, "run"],
            stderr=subprocess.DEVNULL,
            env={**environment, "NOTIFY_SOCKET": str(folder / "notify")},
        )
        while b"READY=1" not in notifications.recv(4096):
            pass
        ready, cpu = time.monotonic() - began, used_cpu(process.pid)
        time.sleep(REST_SECONDS)
        at_rest = (used_cpu(process.pid) - cpu) * 60 / REST_SECONDS
        resident, private = memory(process.pid)
        commands = [cpu_of([*orderwatch, command], environment) for command in ("--version", "status")]
        process.terminate()
        process.wait()
    return Measurement(ready, cpu, resident, private, at_rest, *commands)


def cpu_of(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Return the seconds of CPU that a command takes."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603 - ours
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def used_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory(pid: int) -> tuple[float, float]:
    """Return the resident megabytes of a process, and those that it shares with none."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    kilobytes = {key: int(value) for key, value in re.findall(r"(\w+):\s+(\d+) kB", rollup)}
    private = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return kilobytes["Rss"] / 1024, private / 1024


if __name__ == "__main__":
    if sys.argv[1:] == ["provider"]:
        import asyncio

        from orderwatch.simulator.scenario import Scenario
        from orderwatch.simulator.server import serve

        async def simulate() -> None:
            async with serve(Scenario()) as simulator:
                sys.stdout.write(simulator.config_toml() + "\n\n")
                sys.stdout.flush()
                await asyncio.Event().wait()

        asyncio.run(simulate())
    main()
