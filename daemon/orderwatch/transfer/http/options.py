"""The settings of downloads, which a plan holds before anything is downloaded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelOptions:
    """When and how a file is downloaded over several connections.

    Files of at least `min_file_bytes` are split into requests of at least `segment_bytes`; the gain of more
    connections is measured over `window_seconds`.
    """

    connections: int
    min_file_bytes: int = 64_000_000
    segment_bytes: int = 8 * 2**20
    window_seconds: float = 0.1


SINGLE_CONNECTION = ParallelOptions(connections=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """`stall_timeout` in seconds without a byte, `min_speed` in bytes per second."""

    stall_timeout: float
    min_speed: int = 0
    parallel: ParallelOptions = SINGLE_CONNECTION
