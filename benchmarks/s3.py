"""Compares deliveries into a SeaweedFS on loopback with `aws s3 cp` of one file. Prints; asserts nothing.

Two ways of ours: the upload of a verified file from the spool, and a whole daemon that downloads from nginx
over TLS, verifies, uploads and records. Each run has a new store. `BENCH_AWS` names the program of AWS,
`BENCH_SCALE` multiplies the size. Run it as `python -m benchmarks.s3`; it needs nginx and openssl.
"""

import asyncio
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.transfer import Host, host, make_zip, orderwatch, shell
from tests.object_store import KEY, SECRET, Server, running

from orderwatch.core.deliveries.delivery_root import BucketRoot
from orderwatch.ports import Checked
from orderwatch.transfer.fsops import DEFAULT_PERMISSIONS
from orderwatch.transfer.s3.client import Access, open_buckets
from orderwatch.transfer.s3.destination import S3Destination
from orderwatch.transfer.s3.upload import Sender

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
SCALE = float(os.environ.get("BENCH_SCALE", "1"))
FILE_BYTES = 1_000_000_000
AWS = os.environ.get("BENCH_AWS", "aws")
SAMPLE_SECONDS = 0.02
NAME, PART = "large.zip", "a.part"
SIDECAR = b'{"account": "a", "order": "1", "capture": "c", "scene": "s", "attachment": "z", "version": 1}'


@dataclass(frozen=True)
class Measurement:
    """What a process has used, from its start to its end."""

    seconds: float
    cpu: float
    megabytes: float


Way = Callable[[Path, Server], Measurement]


def measured(*command: str, cwd: Path, env: dict[str, str]) -> Measurement:
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **env}, stdout=subprocess.DEVNULL)  # noqa: S603 - of this file
    status, megabytes = Path(f"/proc/{process.pid}/status"), 0.0
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        found = status.read_text(encoding="ascii").partition("VmHWM:")[2]  # ru_maxrss would include ours
        megabytes = int(found.split()[0]) / 1024 if found else megabytes
        time.sleep(SAMPLE_SECONDS)
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    return Measurement(time.monotonic() - began, ended[2].ru_utime + ended[2].ru_stime, megabytes)


def credentials(server: Server) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": server.access.region,
        "AWS_ENDPOINT_URL": server.endpoint,
    }


def copied(work: Path, server: Server, file: Path) -> Measurement:
    target = f"{server.new_root()}/{NAME}"
    command = [AWS, "s3", "cp", "--only-show-errors", str(file), target]
    return measured(*command, cwd=work, env=credentials(server))


def fetched_and_copied(work: Path, server: Server, served: Host) -> Measurement:
    began = shell(f"curl -sfO {served.url}/{NAME}", work, served)
    found = copied(work, server, work / NAME)
    return Measurement(began + found.seconds, found.cpu, found.megabytes)


def uploaded(work: Path, server: Server, file: Path, sha256: str) -> Measurement:
    partials = work / ".orderwatch" / "partial"
    partials.mkdir(parents=True)
    (partials / PART).hardlink_to(file)
    root = server.new_root()
    command = [sys.executable, "-m", "benchmarks.s3", "upload", root.bucket, root.prefix, str(work), sha256]
    return measured(*command, cwd=Path.cwd(), env=credentials(server))


async def upload(bucket_name: str, prefix: str, spool: Path, sha256: str) -> None:
    """Upload the file in a spool. Runs in a process of its own."""
    access = Access(endpoint=os.environ["AWS_ENDPOINT_URL"])
    async with open_buckets(access) as bucket:
        destination = S3Destination(
            bucket(BucketRoot(bucket_name, prefix)),
            spool,
            DEFAULT_PERMISSIONS,
            now=lambda: datetime.now(UTC),
            sender=Sender(),
        )
        size = (destination.partials / PART).stat().st_size
        if not await destination.publish(PART, NAME, SIDECAR, Checked(size=size, sha256=sha256)):
            raise SystemExit("not published")
        await destination.close()


def delivered(work: Path, server: Server, served: Host) -> Measurement:
    settings = {
        "ORDERWATCH_DELIVERY__ROOT": str(server.new_root()),
        "ORDERWATCH_S3__ENDPOINT": server.endpoint,
        **credentials(server),
    }
    found = orderwatch(work, served, [NAME], storage=served.url, parallel=1, settings=settings)
    return Measurement(found.seconds, found.cpu, found.megabytes)


def compare(title: str, ways: dict[str, Way], base: Path) -> None:
    """Run each way in turn, `RUNS` times; print medians, and the ratio of the first one's speed."""
    print(f"\n{title}", flush=True)
    found: dict[str, list[Measurement]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, way in ways.items():
            with TemporaryDirectory(dir=base) as work, running() as server:
                found[name].append(way(Path(work), server))
    first, *_ = found.values()
    for name, each in found.items():
        seconds = [one.seconds for one in each]
        pairs = [other.seconds / own.seconds for own, other in zip(first, each, strict=True)]
        ratio = "" if each is first else f"   our speed / this = {statistics.median(pairs):.2f}"
        print(
            f"  {name:20} {statistics.median(seconds):6.2f} s  ({min(seconds):.2f} - {max(seconds):.2f}),"
            f" {statistics.median(one.cpu for one in each):5.2f} s of CPU,"
            f" peak {max(one.megabytes for one in each):4.0f} MB{ratio}",
            flush=True,
        )


def main() -> None:
    if shutil.which(AWS) is None:
        raise SystemExit("aws is missing: install awscli in an environment of its own and set BENCH_AWS")
    print(f"{os.cpu_count()} cores, {RUNS} runs each")
    with TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as place:
        base = Path(place)
        base.chmod(0o755)  # nginx reads the files as another user
        (base / "files").mkdir()
        file = base / "files" / NAME
        make_zip(file, int(FILE_BYTES * SCALE))
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        size = f"{FILE_BYTES * SCALE / 1e6:.0f} MB"
        compare(
            f"a file of {size} to S3",
            {
                "orderwatch's upload": partial(uploaded, file=file, sha256=sha256),
                "aws s3 cp": partial(copied, file=file),
            },
            base,
        )
        with host(base) as served:
            compare(
                f"{size} from the provider to S3; the daemon without its start",
                {
                    "orderwatch": partial(delivered, served=served),
                    "curl && aws s3 cp": partial(fetched_and_copied, served=served),
                },
                base,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["upload"]:
        asyncio.run(upload(sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5]))
    else:
        main()
