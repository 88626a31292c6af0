"""The notify protocol of systemd, as far as we speak it."""

import os
import socket


def notify(*lines: str) -> None:
    """Tell the service manager, if one listens. It never disturbs the work: a failure is ignored."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto("\n".join(lines).encode(), address)
    except OSError:
        return
