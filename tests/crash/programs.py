"""Our command with other figures, so that a small file is fetched as a large one is."""

import functools

from orderwatch.app import values
from orderwatch.cli import main
from orderwatch.transfer import intake
from orderwatch.transfer.crew import Sharing


def in_small_steps() -> None:
    """Several connections, and a checkpoint every few hundredths of a second."""
    intake._SOONEST, intake._SHARE = 0.03, 1
    vars(values)["Sharing"] = functools.partial(Sharing, large=2**16, piece=2**15, window=0.02)
    main()
