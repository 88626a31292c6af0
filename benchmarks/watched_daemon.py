"""Runs the orderwatch command and prints, when it ends, what its process has used.

As JSON: `lag`, the 99th percentile of the event loop's delays in milliseconds, `megabytes`, its peak memory,
and `cpu` in seconds.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from orderwatch.cli import main

_SAMPLE_SECONDS = 0.005


async def watched(work: Coroutine[Any, Any, object], delays: list[float]) -> object:
    sampling = asyncio.create_task(sample(delays))
    try:
        return await work
    finally:
        sampling.cancel()


async def sample(delays: list[float]) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(_SAMPLE_SECONDS)
        delays.append(time.monotonic() - before - _SAMPLE_SECONDS)


def report(delays: list[float]) -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return {
        "lag": sorted(delays)[int(len(delays) * 0.99)] * 1000,
        "megabytes": int(status.split("VmHWM:")[1].split()[0]) / 1024,  # ru_maxrss would include the parent's
        "cpu": used.ru_utime + used.ru_stime,
    }


def run() -> None:
    delays, original = list[float](), asyncio.run
    vars(asyncio)["run"] = lambda work, **more: original(watched(work, delays), **more)
    try:
        main()
    finally:
        sys.stdout.write(json.dumps({"event": "benchmark", **report(delays)}) + "\n")


if __name__ == "__main__":
    run()
