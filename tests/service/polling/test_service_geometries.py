"""Invalid targets and footprints are logged once, and harm nothing."""

from dataclasses import dataclass, field, fields
from pathlib import Path

from structlog.testing import LogCapture
from tests.service.service_kit import HOUR, patterns
from tests.service.tracking_kit import (
    SUBJECT,
    as_daemon,
    beside,
    capture,
    heard,
    live,
    order,
    stored,
    the_order,
)

from orderwatch.simulator.documents import Document
from orderwatch.simulator.scenario import Order as Told
from orderwatch.simulator.world import Place, Sign, World

BOW_TIE = {"type": "Polygon", "coordinates": [[[10, 50], [11, 51], [11, 50], [10, 51], [10, 50]]]}
LINE = {"type": "Polygon", "coordinates": [[[10, 50], [11, 51], [12, 52], [10, 50]]]}


@dataclass(frozen=True)
class Misplaced(World):
    """The target of one order and the footprints of its scenes are these."""

    shape: Document = field(default_factory=dict)

    def task(self, order: Told, at: float) -> Document:
        truth = super().task(order, at)
        return truth | {"target": self.shape} if order.task_id == SUBJECT else truth

    def scene(self, place: Place, at: float, sign: Sign) -> Document:
        truth = super().scene(place, at, sign)
        return truth | {"footprint": self.shape} if place.order.task_id == SUBJECT else truth


async def test_an_invalid_target_and_footprint_are_logged_once_and_delivered(
    tmp_path: Path, events: LogCapture
) -> None:
    async with beside(tmp_path, order(captures=[capture()])) as h:
        honest = {each.name: getattr(h.simulator.world, each.name) for each in fields(World)}
        h.simulator.world = Misplaced(**honest, shape=BOW_TIE)
        await live(h, as_daemon(h, patterns(project_name="*")), 8 * HOUR)
        await live(h, as_daemon(h, patterns(project_name="*")), 8 * HOUR)  # after a restart
        logged = [entry for entry in events.entries if entry["event"] == "geometry.invalid"]
        assert [(entry["task_id"], entry["kind"]) for entry in logged] == [
            (SUBJECT, "target"),
            (SUBJECT, "footprint"),
        ]
        assert logged[1]["scene_id"]
        assert all(entry["reason"] == "a ring crosses or touches itself" for entry in logged)
        assert await stored(h)
        (delivery,) = (await the_order(h)).deliveries
        assert delivery.scene.footprint == BOW_TIE
        h.simulator.world = Misplaced(**honest, shape=LINE)
        await live(h, as_daemon(h, patterns(project_name="*")), 8 * HOUR)
        assert heard(events, "geometry.invalid") == ["geometry.invalid"] * 3  # the target changed
