"""Confines unexpected exceptions: what one order's data triggers fails that order only."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from orderwatch.errors import OrderwatchError, UnexpectedError

log = structlog.get_logger()


@contextmanager
def contain_errors(**fields: object) -> Iterator[None]:
    """Raise `UnexpectedError` in place of other exceptions than `OrderwatchError`; log the frames at debug.

    The exception's own text is dropped, because it may quote secrets.
    """
    try:
        yield
    except OrderwatchError:
        raise
    except Exception as error:
        if isinstance(error, ExceptionGroup) and error.subgroup(OrderwatchError):
            raise
        kind, frames = type(error).__name__, traceback.extract_tb(error.__traceback__)
        log.debug("error.unexpected", **fields, kind=kind, stack="".join(frames.format()))
        place = f"{kind} in {frames[-1].name}, line {frames[-1].lineno}"
        raise UnexpectedError(f"an error in orderwatch: {place}; please report it") from error
