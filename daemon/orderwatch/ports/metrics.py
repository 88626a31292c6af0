"""What workers report to be counted."""

from datetime import timedelta


class Meter:
    """Receives what is done for one account; this one counts nothing."""

    def requested(self, api: str, code: int | None, seconds: float) -> None:
        """One request ended, of an API or a download; `code` is None without an answer."""

    def sweep_ended(self) -> None:
        """A sweep ended, and everything due was answered."""

    def discovered(self, delay: timedelta) -> None:
        """A change was discovered, at most `delay` after it happened."""

    def received(self, size: int) -> None:
        """Bytes of a download were received."""

    def stored(self, seconds: float) -> None:
        """A delivery was stored; the attempt took so many seconds."""

    def failed(self, trouble: str) -> None:
        """An attempt at a delivery failed; `trouble` is its kind of failure."""


UNMETERED = Meter()
