"""Our command with other figures, so that a small file is fetched as a large one is."""

import functools

from orderwatch.app import plan
from orderwatch.cli import main
from orderwatch.transfer import partial_file
from orderwatch.transfer.http import partial_writer
from orderwatch.transfer.http.parallel import ParallelOptions


def in_small_steps() -> None:
    """Several connections, a checkpoint every few hundredths of a second, and direct writes."""
    partial_file._DIRECT_FROM_BYTES = 0
    partial_writer._MIN_CHECKPOINT_SECONDS, partial_writer._CHECKPOINT_TIME_FACTOR = 0.03, 1
    vars(plan)["ParallelOptions"] = functools.partial(
        ParallelOptions, min_file_bytes=2**16, segment_bytes=2**15, window_seconds=0.02
    )
    main()
