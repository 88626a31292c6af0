"""Whether the daemon runs, and when it was last known to."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from orderwatch.core.formatting import ago

_SILENT = timedelta(minutes=1)  # four signs are missing


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """`last_alive_at` is None where no sign was ever left."""

    running: bool
    last_alive_at: datetime | None = None

    def warning(self, now: datetime) -> str | None:
        """Return what a person has to know before reading the last recorded state; None while all is well."""
        if self.last_alive_at is None:
            return None if self.running else "No daemon is running, and none has left a sign of life."
        last = f"{ago(self.last_alive_at, now)} ({self.last_alive_at:%Y-%m-%d %H:%M:%S} UTC)"
        if not self.running:
            return f"No daemon is running. Last sign of life: {last}."
        if now - self.last_alive_at > _SILENT:
            return f"The daemon is running but hangs. Last sign of life: {last}."
        return None
