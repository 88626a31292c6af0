"""What workers report as they work."""

from datetime import timedelta


class Meter:
    """What is done for one account, for whoever counts it; this one counts nothing."""

    def asked(self, api: str, code: int | None, seconds: float) -> None:
        """One request, a download's too; `code` is None where no answer came."""

    def swept(self) -> None:
        """A round ended, and whatever was due had been asked for and answered."""

    def discovered(self, delay: timedelta) -> None:
        """Something moved, at most so long ago."""

    def received(self, size: int) -> None:
        """So many bytes of a download came."""

    def stored(self, seconds: float) -> None:
        """A delivery stands under its final name; the attempt took so long."""

    def failed(self, trouble: str) -> None:
        """An attempt at a delivery failed; `trouble` is one of the kinds there are."""


UNMETERED = Meter()
