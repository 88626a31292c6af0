"""What the process itself takes, under the names that everybody's dashboards know.

The library's own collector tells nothing where /proc/stat is hidden, as our unit hides it.
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
    """`began` is the time of the start; whatever of /proc cannot be read is left out."""

    def __init__(self, began: float) -> None:
        self._began = began

    def collect(self) -> Iterator[Metric]:
        cpu, (most, _) = time.process_time(), resource.getrlimit(resource.RLIMIT_NOFILE)
        yield CounterMetricFamily("process_cpu_seconds", "Processor time.", value=cpu)
        yield _gauge("start_time_seconds", "When it began.", self._began)
        yield _gauge("max_fds", "Most files it may have open.", most)
        try:
            virtual, resident = (_SELF / "statm").read_text(encoding="ascii").split()[:2]
            descriptors = len(os.listdir(_SELF / "fd"))  # noqa: PTH208 - names alone are counted
        except OSError:
            return
        page = resource.getpagesize()
        yield _gauge("virtual_memory_bytes", "Address space it has.", int(virtual) * page)
        yield _gauge("resident_memory_bytes", "Memory it has.", int(resident) * page)
        yield _gauge("open_fds", "Files it has open.", descriptors)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"process_{name}", text, value=value)
