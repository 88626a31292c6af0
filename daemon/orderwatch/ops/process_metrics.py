"""Resource use of the process, under the usual metric names.

The library's collector fails without /proc/stat, which our unit hides.
"""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_SELF = Path("/proc/self")


class ProcessUse(Collector):
    """`began` is the start time; metrics that /proc does not provide are left out."""

    def __init__(self, began: float) -> None:
        self._began = began

    def collect(self) -> Iterator[Metric]:
        cpu, (most, _) = time.process_time(), resource.getrlimit(resource.RLIMIT_NOFILE)
        yield CounterMetricFamily("process_cpu_seconds", "Processor time.", value=cpu)
        yield _gauge("start_time_seconds", "Start time.", self._began)
        yield _gauge("max_fds", "Maximum number of open files.", most)
        try:
            virtual, resident = (_SELF / "statm").read_text(encoding="ascii").split()[:2]
            descriptors = len(os.listdir(_SELF / "fd"))  # noqa: PTH208 - only names are counted
        except OSError:
            return
        page = resource.getpagesize()
        yield _gauge("virtual_memory_bytes", "Virtual memory.", int(virtual) * page)
        yield _gauge("resident_memory_bytes", "Resident memory.", int(resident) * page)
        yield _gauge("open_fds", "Open files.", descriptors)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"process_{name}", text, value=value)
