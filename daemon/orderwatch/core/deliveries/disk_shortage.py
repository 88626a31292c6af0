"""Whether a delivery tree has the room that is needed."""

from orderwatch.core.formatting import format_bytes_pair


def shortage(room: int, needed: int) -> str | None:
    """Say why what is published would not be stored; None where it would be.

    `room` is what may be written, `needed` what the largest parked delivery still lacks, both in bytes.
    """
    if room <= 0:
        return "nothing may be written: the disk is as full as keep_free allows"
    if needed > room:
        lacking, left = format_bytes_pair(needed, room)
        return f"a delivery needs {lacking}, {left} may be written"
    return None
