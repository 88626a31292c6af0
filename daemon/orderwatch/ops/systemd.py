"""The notify protocol of systemd, as far as we speak it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from orderwatch.core.formatting import printable

_EXTEND = 60.0  # seconds at a time
_PATIENCE = 1.0  # seconds that a manager who does not listen may hold us up


def notify(*lines: str) -> None:
    """Tell the service manager, if one listens. It never disturbs the work: a failure is ignored."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(_PATIENCE)
            channel.sendto("\n".join(lines).encode(), address)
    except OSError:
        return


def set_status(text: str) -> None:
    """One line for `systemctl status`."""
    notify(_status(text))


def reloading() -> None:
    """Another configuration is being taken up; READY=1 has to follow, also where it is refused."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def extend(seconds: float) -> None:
    """Starting or stopping takes that much longer from now on."""
    notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")


@contextmanager
def extending() -> Iterator[None]:
    """What is done meanwhile may take long: as long as it goes on, the service manager waits."""
    done = threading.Event()

    def extend_on() -> None:
        while not done.wait(_EXTEND / 3):
            extend(_EXTEND)

    thread = threading.Thread(target=extend_on, name="extending", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def failing(number: int, reason: str) -> None:
    """The process is about to end in failure; `number` is an errno."""
    notify(f"ERRNO={number}", _status(reason))


def watchdog_seconds() -> float | None:
    """Within how many seconds WATCHDOG=1 is awaited from this very process; None where nobody waits."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or pid not in {"", str(os.getpid())}:
        return None
    return int(usec) / 1_000_000


def _status(text: str) -> str:
    return f"STATUS={printable(text)}"
