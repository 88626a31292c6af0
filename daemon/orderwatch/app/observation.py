"""Metrics, health and the server that shows them: made once, they outlive every reload."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from orderwatch.ops.health import Health
from orderwatch.ops.metrics import Metrics
from orderwatch.ops.telemetry import Begun, Live
from orderwatch.service.pulse import Pulse, Punctuality, not_sound
from orderwatch.web.front import Front
from orderwatch.web.server import Pages


@dataclass(frozen=True, slots=True)
class Observation:
    """`live.work` is what is at work now; the crew runs `live.loop.run()` and `front.run()`."""

    live: Live
    metrics: Metrics
    front: Front

    def not_sound(self) -> list[str]:
        """Why the service manager's watchdog should not be fed; empty where all is well."""
        return not_sound(self.live.pulse, self.live.loop)


def observation(
    problems: Callable[[], Iterable[Begun]] = tuple,
    last_backup: Callable[[], datetime | None] = lambda: None,
) -> Observation:
    live = Live(pulse=Pulse(), loop=Punctuality(), problems=problems, last_backup=last_backup)
    metrics, health = Metrics(live), Health(live)
    pages = Pages(health=health.soundness, readiness=health.readiness, metrics=metrics.scrape)
    return Observation(live, metrics, Front(pages))
