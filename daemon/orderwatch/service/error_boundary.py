"""The wall between orders: what nobody expected of one order's data is that order's own failure."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from orderwatch.errors import OrderwatchError, UnexpectedError

log = structlog.get_logger()


@contextmanager
def contained(**whose: object) -> Iterator[None]:
    """Raise `UnexpectedError` instead of any exception that is no `OrderwatchError`; log its frames at debug.

    Neither the log nor the error has the exception's own text, which may quote what no log may hold.
    """
    try:
        yield
    except OrderwatchError:
        raise
    except Exception as error:
        if isinstance(error, ExceptionGroup) and error.subgroup(OrderwatchError):
            raise
        kind, frames = type(error).__name__, traceback.extract_tb(error.__traceback__)
        log.debug("error.unexpected", **whose, kind=kind, stack="".join(frames.format()))
        where = f"{kind} in {frames[-1].name}, line {frames[-1].lineno}"
        raise UnexpectedError(f"an error in orderwatch: {where}; report it") from error
