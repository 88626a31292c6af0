"""What the process takes, read from nothing but its own folder of /proc."""

import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from orderwatch.ops.process_metrics import ProcessUse


def taken() -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(ProcessUse(began=1000.0))
    return {sample.name: sample.value for family in registry.collect() for sample in family.samples}


def test_memory_and_descriptors_are_those_of_this_process(tmp_path: Path) -> None:
    before = taken()
    with (tmp_path / "file").open("w"):
        assert taken()["process_open_fds"] == before["process_open_fds"] + 1
    resident, virtual = before["process_resident_memory_bytes"], before["process_virtual_memory_bytes"]
    assert 5_000_000 < resident < virtual
    assert before["process_open_fds"] < before["process_max_fds"]
    assert before["process_start_time_seconds"] == 1000.0
    assert 0 < before["process_cpu_seconds_total"] <= time.process_time()
