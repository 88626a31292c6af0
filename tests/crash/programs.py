"""Our command with other figures, so that a small file is fetched as a large one is."""

import functools

from orderwatch.app import plan
from orderwatch.cli import main
from orderwatch.transfer.http import partial_writer
from orderwatch.transfer.http.segments import ParallelOptions


def in_small_steps() -> None:
    """Several connections, and a checkpoint every few hundredths of a second."""
    partial_writer._SOONEST, partial_writer._SHARE = 0.03, 1
    vars(plan)["ParallelOptions"] = functools.partial(ParallelOptions, large=2**16, piece=2**15, window=0.02)
    main()
