"""The demonstration's orders half-way through, with days between their steps instead of seconds."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.browser.rows import HOUR, Placed, Taken, verdict
from tests.db.kit import NOW

from orderwatch.core.attention.concern import Concern, Reason
from orderwatch.core.attention.remedies import of_problem
from orderwatch.core.model import DeliveryState, OrderState
from orderwatch.core.statistics import Counts
from orderwatch.db.repositories import Store
from orderwatch.ports.dashboard import AccountSeen, Overview, TreeSeen
from orderwatch.simulator.attachments import content
from orderwatch.simulator.scenario import Attachment

_PLACED = (
    Placed(
        52101,
        "Maasvlakte container terminal",
        "Port of Rotterdam",
        "in_progress",
        (-60, 84),
        (4.0333, 51.9555, 4.0333, 51.9555),
        (Taken("NewSat-15", "published", -9, -0.2, durable=29_400_000), Taken("NewSat-31", "planned", 31)),
    ),
    Placed(
        52102,
        "Río de la Plata, north shore",
        "Coastal erosion survey",
        "in_progress",
        (-96, 48),
        (-56.42, -34.96, -56.06, -34.80),
        (
            Taken("NewSat-31", "published", -82, -70, -69.5),
            Taken("NewSat-22", "published", -58, -47, -46.6),
            Taken("NewSat-9", "processing", -5),
            Taken("NewSat-31", "planned", 20),
        ),
    ),
    Placed(
        52103,
        "Chuquicamata open pit",
        "Atacama mines",
        "in_progress",
        (-30, 90),
        (-68.9017, -22.2886, -68.9017, -22.2886),
        (Taken("NewSat-40", "failed", -20), Taken("NewSat-40", "tasked", 52)),
    ),
    Placed(
        52104,
        "Dry dock 3",
        "Port of Singapore",
        "canceled",
        (-20, 100),
        (103.6452, 1.2996, 103.6452, 1.2996),
        (),
    ),
    Placed(
        52105,
        "Breakwater",
        "Port of Valparaíso",
        "completed",
        (-70, -4),
        (-71.6273, -33.0247, -71.6273, -33.0247),
        (Taken("NewSat-27", "published", -44, -31, -30.8),),
    ),
)

OVERVIEW = Overview(
    accounts=[AccountSeen(name="main", state="fine", swept_at=NOW - timedelta(seconds=40))],
    trees=[TreeSeen(root="/srv/deliveries", usable=True, room=412_000_000_000)],
    attention=[],
    counts=Counts(
        orders={OrderState.OPEN: 3}, deliveries={DeliveryState.FETCHING: 1, DeliveryState.STORED: 11}
    ),
)
TROUBLED = Overview(
    accounts=[
        AccountSeen(name="main", state="fine", swept_at=NOW - timedelta(seconds=40)),
        AccountSeen(name="survey", state="refused", swept_at=NOW - 3 * HOUR, retry_at=NOW + 0.15 * HOUR),
    ],
    trees=[TreeSeen(root="/srv/deliveries", usable=False, room=None)],
    attention=[
        Concern(
            key="1",
            reason=Reason.PROBLEM,
            name="account.refused",
            account="survey",
            since=NOW - 3 * HOUR,
            text="The provider refuses account survey: 401.",
            remedy=of_problem("account.refused"),
        ),
        Concern(
            key="2",
            reason=Reason.PROBLEM,
            name="tree.unusable",
            since=NOW - 0.2 * HOUR,
            text="Nothing can be written below /srv/deliveries: the volume is not mounted.",
            remedy=of_problem("tree.unusable"),
        ),
    ],
)

EMPTY = replace(
    TROUBLED,
    accounts=[replace(TROUBLED.accounts[1], swept_at=None)],
    trees=OVERVIEW.trees,
    attention=TROUBLED.attention[:1],
)


async def peopled(store: Store, folder: Path, *, scenic: bool = False) -> None:
    """The orders, with a picture in `folder` for each file."""
    verdicts = [verdict(placed) for placed in _PLACED]
    moves = sorted((move for v in verdicts for move in v.transitions), key=lambda move: move.at)
    await store.maintenance.restore(
        [replace(v, transitions=tuple(moves) if v is verdicts[0] else ()) for v in verdicts]
    )
    for file in (f for v in verdicts for f in v.order.deliveries):
        name: Attachment = "thumbnail" if file.attachment == "thumbnail" else "preview"
        scene = {"scene_id": file.scene_id, "footprint": file.scene.footprint}
        drawn = content(name, scene, 1, 0, scenic=scenic)
        (folder / file.file_name).write_bytes(drawn.read(0, drawn.size))
