"""How many lines of the log many files at once are worth."""

import logging

MAX_LINES = 10  # about files of one order at one moment; more are summed up


def has_details() -> bool:
    """Return whether lines at debug level are written, which cost as much as others."""
    return logging.getLogger().isEnabledFor(logging.DEBUG)
