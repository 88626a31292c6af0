"""Whether the daemon runs, and its last sign of life."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from orderwatch.core.formatting import ago

_SILENT_AFTER = timedelta(minutes=1)  # four signs of life are missing


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """Whether the daemon runs; `last_alive_at` is None if it never left a sign of life."""

    running: bool
    last_alive_at: datetime | None = None

    def warning(self, now: datetime) -> str | None:
        """Returns a warning to show above the recorded state; None while the daemon is well."""
        if self.last_alive_at is None:
            return None if self.running else "No daemon is running, and none has left a sign of life."
        last = f"{ago(self.last_alive_at, now)} ({self.last_alive_at:%Y-%m-%d %H:%M:%S} UTC)"
        if not self.running:
            return f"No daemon is running. Last sign of life: {last}."
        if now - self.last_alive_at > _SILENT_AFTER:
            return f"The daemon is running but hangs. Last sign of life: {last}."
        return None
