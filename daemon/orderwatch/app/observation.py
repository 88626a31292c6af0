"""Metrics, health and the server that shows them: made once, they outlive every reload."""

from dataclasses import dataclass

from orderwatch.ops.health import Health
from orderwatch.ops.metrics import Metrics
from orderwatch.ops.telemetry import Live
from orderwatch.service.pulse import not_sound
from orderwatch.web.front import Front
from orderwatch.web.server import Pages, Routes


@dataclass(frozen=True, slots=True)
class Observation:
    """`live.work` is what is at work now; the crew runs `live.loop.run()` and `front.run()`."""

    live: Live
    metrics: Metrics
    front: Front

    def not_sound(self) -> list[str]:
        """Why the service manager's watchdog should not be fed; empty where all is well."""
        return not_sound(self.live.pulse, self.live.loop)


def observation(live: Live, *routes: Routes) -> Observation:
    """`routes` add what else is served."""
    metrics, health = Metrics(live), Health(live)
    pages = Pages(health=health.soundness, readiness=health.readiness, metrics=metrics.scrape, routes=routes)
    return Observation(live, metrics, Front(pages))
