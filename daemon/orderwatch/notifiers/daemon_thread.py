"""Runs a library's blocking work in a daemon thread, which does not delay the end of the process."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


async def in_daemon_thread(work: Callable[[], None]) -> None:
    """Run `work` and raise its exception; after a cancellation it ends by its own time limits."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:  # noqa: BLE001 - raised in the caller
            error = caught
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="notifier", daemon=True).start()
    await done
