"""Whether a delivery tree has enough room."""

from orderwatch.core.formatting import format_bytes_pair


def shortage(room: int, needed: int) -> str | None:
    """Returns why published files cannot be stored, None if they can.

    `room` may be written, `needed` are the missing bytes of the largest parked delivery.
    """
    if room <= 0:
        return "no room: the disk is as full as keep_free allows"
    if needed > room:
        lacking, left = format_bytes_pair(needed, room)
        return f"a delivery needs {lacking}, and {left} may be written"
    return None
