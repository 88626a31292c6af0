"""What downloads use again and again: threads take time to start, and new memory to be touched first."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from orderwatch.transfer.blocks import Block

_MAX_IDLE = 8
_MAX_WRITERS = 4  # flushes that wait for the same disk; more threads only wait for each other

T = TypeVar("T")


class Pool(Generic[T]):
    """Things of one kind, for any thread. At most `max_idle` idle ones are kept; others are dropped."""

    def __init__(
        self, make: Callable[[], T], drop: Callable[[T], object] = bool, *, max_idle: int = _MAX_IDLE
    ) -> None:
        self._make = make
        self._drop = drop
        self._max_idle = max_idle
        self._idle: deque[T] = deque()

    def take(self) -> T:
        """Return an idle thing, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give(self, thing: T) -> None:
        """Take a thing back."""
        if len(self._idle) < self._max_idle:
            self._idle.append(thing)
        else:
            self._drop(thing)

    def clear(self) -> None:
        """Drop the idle things."""
        while self._idle:
            self._drop(self._idle.pop())


class Threads:
    """The three threads of one partial: writing, syncing and reading. They start when they are needed."""

    def __init__(self) -> None:
        self.writing = ThreadPoolExecutor(1, thread_name_prefix="partial")
        self.syncing = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self.reading = ThreadPoolExecutor(1, thread_name_prefix="read")

    def end(self) -> None:
        """Shut down without waiting; submitted work is still done."""
        for thread in (self.syncing, self.reading, self.writing):
            thread.shutdown(wait=False)


class Pools:
    """The blocks and threads of an account's downloads; small files are written by few at once."""

    def __init__(self) -> None:
        self.writing = threading.BoundedSemaphore(_MAX_WRITERS)
        self.blocks = Pool(Block)
        self.threads = Pool(Threads, Threads.end)

    def close(self) -> None:
        """Drop what is idle."""
        self.blocks.clear()
        self.threads.clear()
