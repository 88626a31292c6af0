"""Compares downloads with curl, xargs and aria2c over TLS, from nginx on loopback. Prints; asserts nothing.

orderwatch is a whole daemon: it polls the simulated provider, requests links, fetches, hashes, syncs, checks
every member's CRC, publishes and records. `BENCH_BEFORE` names the Python of another build to be measured in
turn with this one, `BENCH_SCALE` multiplies the sizes. Needs nginx and openssl; skips tools that are missing.
"""

import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
LARGE_BYTES, FOUR_BYTES, SMALL_BYTES, LIMITED_BYTES = 2_000_000_000, 500_000_000, 5_000_000, 100_000_000
SMALL_FILES, FILES_PER_ORDER = 200, 10
TILE_BYTES, TILE_FILES = 50_000, 840  # of one capture
BYTES_PER_CONNECTION = 10_000_000  # per second, from the host that limits each connection
HERE = Path(__file__).parent

NGINX = """
worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit; daemon off;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; types {{ application/zip zip; }}
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ root {folder}/files; }}
    location /slow/ {{ alias {folder}/files/; limit_rate {rate}; }}
  }}
}}
"""


@dataclass(frozen=True)
class Measurement:
    """Seconds from the daemon's first log line to the last file stored, and since its process began."""

    seconds: float
    whole: float
    megabytes: float
    lag: float
    cpu: float


@dataclass(frozen=True)
class Host:
    """nginx with the files of a folder, and the certificate that its clients have to trust."""

    folder: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        certificate = str(self.folder / "cert.pem")
        return {**os.environ, "SSL_CERT_FILE": certificate, "CURL_CA_BUNDLE": certificate}


@contextmanager
def host(folder: Path, rate: int = BYTES_PER_CONNECTION) -> Iterator[Host]:
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"]
    run("openssl", "req", "-x509", *key, "-out", "cert.pem", "-days", "2", *names, cwd=folder)
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, rate=rate))
    with running("nginx", "-c", str(configuration)):
        time.sleep(0.5)
        yield Host(folder, f"https://localhost:{port}")


@contextmanager
def running(*command: str, **options: object) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]  # noqa: S603 - ours
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd, env=env, capture_output=True)  # noqa: S603 - of this file


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def scenario(names: Sequence[str], storage: str, per_order: int) -> str:
    """Return orders whose published scenes have these files."""
    orders = []
    for number, start in enumerate(range(0, len(names), per_order), 1):
        scenes = ", ".join(f'{{ file_name = "{name}" }}' for name in names[start : start + per_order])
        orders.append(
            f'[[orders]]\ntask_id = {number}\nstatus = [[0, "received"], [0, "completed"]]\n'
            f'[[orders.captures]]\nstatus = [[0, "published"]]\nscenes = [{scenes}]\n'
        )
    return f'[downloads]\nstorage = "{storage}"\n' + "\n".join(orders)


def orderwatch(
    work: Path,
    served: Host,
    names: Sequence[str],
    *,
    storage: str,
    parallel: int,
    per_order: int = FILES_PER_ORDER,
    python: str = sys.executable,
    settings: Mapping[str, str] | None = None,
) -> Measurement:
    """Run a daemon until it has stored every file."""
    (work / "scenario.toml").write_text(scenario(names, storage, per_order))
    simulate = ["simulate", "--scenario", "scenario.toml", "--write-config", "config.toml"]
    with running(sys.executable, "-m", "orderwatch", *simulate, cwd=work, stdout=subprocess.DEVNULL):
        while not (work / "config.toml").exists():
            time.sleep(0.05)
        environment = {
            **served.environment,
            "ORDERWATCH_DELIVERY__PARALLEL": str(parallel),
            "ORDERWATCH_DELIVERY__KEEP_FREE": "0",
            "ORDERWATCH_LOG__FORMAT": "json",
            "ORDERWATCH_POLLING__INTERVAL": "5m",
            "ORDERWATCH_POLLING__REQUESTS_PER_SECOND": "1000",
            **(settings or {}),
        }
        command = [python, str(HERE / "watched_daemon.py"), "--config", "config.toml", "run"]
        began = time.time()
        with running(
            *command,
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as daemon:
            started, ended = follow(daemon, len(names))
            daemon.terminate()
            used = next(line for line in events(daemon) if line["event"] == "benchmark")
    return Measurement(ended - started, ended - began, used["megabytes"], used["lag"], used["cpu"])


def follow(daemon: "subprocess.Popen[str]", files: int) -> tuple[float, float]:
    """Return when the daemon logged its first line, and when it had stored so many files."""
    stored, started = 0, 0.0
    for line in events(daemon):
        started = started or time.time()
        stored += line["event"] == "delivery.stored"
        stored += line["count"] if line["event"] == "deliveries.stored" else 0
        if line["event"] in {"delivery.waiting", "delivery.parked", "delivery.given_up"}:
            print(line)
        if stored == files:
            return started, time.time()
    raise SystemExit("the daemon ended early")


def events(daemon: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    for line in daemon.stdout or ():
        if line.startswith("{"):
            yield json.loads(line)
        else:
            print(line, end="")


def shell(command: str, work: Path, served: Host) -> float:
    began = time.monotonic()
    run("bash", "-o", "pipefail", "-ec", command, cwd=work, env=served.environment)
    return time.monotonic() - began


def url_list(names: Sequence[str], url: str, then: str) -> str:
    return f"printf '%s\\n' {' '.join(f'{url}/{name}' for name in names)} | {then}"


Way = Callable[[Path], float | Measurement]


def compare(title: str, ways: dict[str, Way], base: Path) -> None:
    """Run each way in turn, `RUNS` times; print medians and their ratios."""
    print(f"\n{title}", flush=True)
    found: dict[str, list[float | Measurement]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, way in ways.items():
            with TemporaryDirectory(dir=base) as work:
                found[name].append(way(Path(work)))
                os.sync()
    own = statistics.median(seconds_of(one) for one in found["orderwatch"])
    for name, each in found.items():
        seconds = [seconds_of(one) for one in each]
        median = statistics.median(seconds)
        ratio = "" if name == "orderwatch" else f"   orderwatch / this = {own / median:.2f}"
        print(f"  {name:28} {median:6.2f} s  ({min(seconds):.2f} - {max(seconds):.2f}){ratio}")
    for name in ("orderwatch", "the build before"):
        if details := [one for one in found.get(name, ()) if isinstance(one, Measurement)]:
            print(f"  {name}: {described(details)}", flush=True)


def seconds_of(one: float | Measurement) -> float:
    return one.seconds if isinstance(one, Measurement) else one


def described(details: Sequence[Measurement]) -> str:
    whole, lag, cpu = (
        statistics.median(getattr(one, name) for one in details) for name in ("whole", "lag", "cpu")
    )
    peak = max(one.megabytes for one in details)
    return f"{whole:.2f} s with its start, {cpu:.2f} s of CPU, peak {peak:.0f} MB, loop lag 99th {lag:.1f} ms"


def make_zip(path: Path, size: int) -> None:
    """Write members of 64 MB at most: noise, stored."""
    rng = random.Random(path.name)
    with zipfile.ZipFile(path, "w") as archive:
        for number, at in enumerate(range(0, size, 64_000_000)):
            archive.writestr(f"scene/{number}.tif", rng.randbytes(min(64_000_000, size - at)))


def make_files(folder: Path) -> dict[str, list[str]]:
    groups = {
        "large": (["large.zip"], LARGE_BYTES),
        "four": ([f"four{n}.zip" for n in range(4)], FOUR_BYTES),
        "small": ([f"small{n}.zip" for n in range(SMALL_FILES)], SMALL_BYTES),
        "tiles": ([f"tile{n}.zip" for n in range(TILE_FILES)], TILE_BYTES),
        "limited": (["first.zip", "second.zip"], LIMITED_BYTES),
    }
    folder.mkdir()
    for names, size in groups.values():
        for name in names:
            make_zip(folder / name, int(size * SCALE))
    return {group: names for group, (names, _) in groups.items()}


def daemons(
    served: Host, names: Sequence[str], storage: str, parallel: int, per_order: int = FILES_PER_ORDER
) -> dict[str, Way]:
    ours = partial(
        orderwatch, served=served, names=names, storage=storage, parallel=parallel, per_order=per_order
    )
    before = os.environ.get("BENCH_BEFORE")
    return {
        "orderwatch": ours,
        **({"the build before": partial(ours, python=before)} if before else {}),
    }


def tools(served: Host, commands: dict[str, str]) -> dict[str, Way]:
    return {
        name: partial(shell, command, served=served)
        for name, command in commands.items()
        if "aria2c" not in name or shutil.which("aria2c")
    }


def main() -> None:
    wanted = sys.argv[1:] or ["large", "four", "small", "tiles", "limited"]
    print(f"{os.cpu_count()} cores, {RUNS} runs each")
    with TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as place:
        base = Path(place)
        base.chmod(0o755)  # nginx reads the files as another user
        files = make_files(base / "files")
        with host(base) as served:
            url, aria = served.url, f"aria2c -q --ca-certificate={base}/cert.pem --file-allocation=none"
            (base / "tiles.txt").write_text("".join(f"{url}/{name}\n" for name in files["tiles"]))
            large, limited = f"curl -sfO {url}/large.zip", f"{url}/slow/first.zip"
            comparisons: dict[str, tuple[str, dict[str, Way]]] = {
                "large": (
                    f"one zip of {LARGE_BYTES * SCALE / 1e6:.0f} MB",
                    daemons(served, files["large"], url, 1)
                    | tools(served, {"curl": large, "curl && sync": f"{large} && sync *.zip"}),
                ),
                "four": (
                    f"four of {FOUR_BYTES * SCALE / 1e6:.0f} MB at once",
                    daemons(served, files["four"], url, 4)
                    | tools(
                        served, {"xargs -P4 curl": url_list(files["four"], url, "xargs -P4 -n1 curl -sfO")}
                    ),
                ),
                "small": (
                    f"{SMALL_FILES} of {SMALL_BYTES * SCALE / 1e6:.0f} MB, 8 at once",
                    daemons(served, files["small"], url, 8)
                    | tools(
                        served,
                        {
                            "aria2c -j8": url_list(files["small"], url, f"{aria} -j8 -i -"),
                            "xargs -P8 curl": url_list(files["small"], url, "xargs -P8 -n1 curl -sfO"),
                        },
                    ),
                ),
                "tiles": (
                    f"{TILE_FILES} of {TILE_BYTES * SCALE / 1e3:.0f} kB, 8 at once",
                    daemons(served, files["tiles"], url, 8, TILE_FILES)
                    | tools(served, {"aria2c -j8": f"{aria} -j8 -i {base}/tiles.txt"}),
                ),
                "limited": (
                    f"a host that gives each connection {BYTES_PER_CONNECTION / 1e6:.0f} MB/s",
                    daemons(served, files["limited"][:1], f"{url}/slow", 1)
                    | tools(
                        served,
                        {"curl": f"curl -sfO {limited}", "aria2c -x4": f"{aria} -x4 -s4 -k1M {limited}"},
                    ),
                ),
                "limited, two in turn": (
                    "the same, two files one after the other",
                    daemons(served, files["limited"], f"{url}/slow", 1)
                    | tools(
                        served,
                        {
                            "aria2c -x4": url_list(
                                files["limited"], f"{url}/slow", f"{aria} -j1 -x4 -s4 -k1M -i -"
                            )
                        },
                    ),
                ),
            }
            for name, (title, ways) in comparisons.items():
                if name.split(",")[0] in wanted:
                    compare(title, ways, base)


if __name__ == "__main__":
    main()
