"""The parts of systemd's notify protocol that the daemon uses."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from orderwatch.core.formatting import printable

_EXTENSION_SECONDS = 60.0
_NOTIFY_TIMEOUT_SECONDS = 1.0


def is_listening() -> bool:
    """Return whether there is a service manager to notify."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(*lines: str) -> None:
    """Send lines to the service manager, if there is one; a failure is ignored."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(_NOTIFY_TIMEOUT_SECONDS)
            channel.sendto("\n".join(lines).encode(), address)
    except OSError:
        return


def set_status(text: str) -> None:
    """Set the status line of `systemctl status`."""
    notify(_status(text))


def reloading() -> None:
    """Report that a reload began; READY=1 must follow even if it fails."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def extend(seconds: float) -> None:
    """Extend the timeout of a start or stop by so many seconds from now."""
    notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")


@contextmanager
def extending() -> Iterator[None]:
    """Keep extending the service manager's timeout until the context ends."""
    done = threading.Event()

    def extend_on() -> None:
        while not done.wait(_EXTENSION_SECONDS / 3):
            extend(_EXTENSION_SECONDS)

    thread = threading.Thread(target=extend_on, name="extending", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def failing(number: int, reason: str) -> None:
    """Report why the process is about to fail; `number` is an errno."""
    notify(f"ERRNO={number}", _status(reason))


def watchdog_seconds() -> float | None:
    """Return the seconds within which this process must send WATCHDOG=1; None without a watchdog."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or pid not in {"", str(os.getpid())}:
        return None
    return int(usec) / 1_000_000


def _status(text: str) -> str:
    return f"STATUS={printable(text)}"
