"""The orders of a scenario with their captures and scenes."""

import itertools
import math
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from orderwatch.simulator.archive.settings import Tiles, TileSet
from orderwatch.simulator.documents import Document, Frozen, Moves, Size, checked_target
from orderwatch.simulator.v2.settings import Deliverable, Event

DAY = 86_400.0
_FIRST_ORDER_ID = 383

Attachment = Literal["delivery_zip", "footprint", "thumbnail", "preview"]


def _rotterdam() -> Document:
    return {"type": "Point", "coordinates": [4.0333, 51.9555]}


class Scene(Frozen):
    """One scene of a capture.

    It appears `appears` seconds after its capture's publication, its delivery_zip `zip_appears` seconds after
    that. At each second of `republished`, `last_modified` moves and the zip's bytes change.
    """

    scene_id: str = ""
    sceneset_id: str = ""
    size: Size = 2_000_000
    file_name: str = ""
    appears: float = 0.0
    zip_appears: float = 0.0
    republished: tuple[float, ...] = ()
    host: int = Field(default=0, ge=0)  # number of its download host
    attachments: tuple[Attachment, ...] = ()


class Capture(Frozen):
    """Visible from its first status on; `start` is when it is taken, default: its first `captured`.

    `tiles` and `deliverables` default to one for each scene. v2 shows `v2_status` if given, else the status
    in its words; `reason` is the message of the event of its failure.
    """

    capture_id: str = ""
    satellite_name: str = "newsat15"
    start: float | None = None
    status: Moves = ((0.0, "planned"),)
    scenes: tuple[Scene, ...] = ()
    tiles: Tiles | None = None
    deliverables: tuple[Deliverable, ...] | None = None
    v2_status: Moves | None = None
    reason: str = ""

    @property
    def taken(self) -> float:
        if self.start is not None:
            return self.start
        return next((second for second, word in self.status if word == "captured"), self.status[-1][0])

    @property
    def published(self) -> float | None:
        return next((second for second, word in self.status if word == "published"), None)

    @property
    def tile_set(self) -> TileSet:
        if self.tiles is not None:
            return self.tiles
        remade = sorted(second for scene in self.scenes for second in scene.republished)
        return TileSet(count=len(self.scenes), remade=tuple(remade))


class Order(Frozen):
    """`contract` defaults to the first of the scenario.

    Before `shown` and after `lost` seconds no list contains the order, and its ID is answered with 404.
    Before `task_appears` v1 does not have it, and v2 shows no `task_id`; an archive order never has one.
    v2 shows `v2_status` if given, else the status in its words; `events` default to those of its status.
    """

    task_id: int = Field(ge=1)
    order_id: str = ""  # default: six digits, counted
    task_appears: float = -math.inf
    parameters: Document = Field(default_factory=dict)  # further ones of v2
    v2_status: Moves | None = None
    status_report: str | Document | None = None
    events: tuple[Event, ...] | None = None
    reason: str = ""
    task_name: str = "Simulated task"
    project_name: str = "Simulated project"
    product: int = 169
    priority: int = 13
    client: str = "Simulated client"
    target: Annotated[Document, BeforeValidator(checked_target)] = Field(default_factory=_rotterdam)
    sku: str = Field(default="", validate_default=True)  # default: tasking of a point or an area
    start: float = 0.0
    end: float = 14 * DAY
    created: float = 0.0
    status: Moves = ((0.0, "received"),)
    contract: str = ""
    shown: float | None = None
    lost: float | None = None
    captures: tuple[Capture, ...] = ()

    @field_validator("captures")
    @classmethod
    def _identified(cls, captures: tuple[Capture, ...], info: ValidationInfo) -> tuple[Capture, ...]:
        task_id = info.data.get("task_id", 0)
        return tuple(identified(capture, task_id, number) for number, capture in enumerate(captures))

    @field_validator("sku")
    @classmethod
    def _sold(cls, sku: str, info: ValidationInfo) -> str:
        kind = info.data.get("target", {}).get("type")
        return sku or ("TSKPOI-M" if kind == "Point" else "TSKARE-M")

    def is_task(self, at: float) -> bool:
        """Return whether v1 has the order by then."""
        return self.sku.startswith("TSK") and self.task_appears <= at


def numbered(orders: Sequence[Order]) -> Iterator[Order]:
    """Yield the orders, those without an ID with the next number that is free."""
    given = {order.order_id for order in orders}
    free = (text for number in itertools.count(_FIRST_ORDER_ID) if (text := f"{number:06d}") not in given)
    for order in orders:
        yield order if order.order_id else order.model_copy(update={"order_id": next(free)})


def next_order_id(orders: Sequence[Order]) -> str:
    """Return the ID of the next order."""
    numbers = [int(order.order_id) for order in orders if order.order_id.isdecimal()]
    return f"{max(numbers, default=_FIRST_ORDER_ID - 1) + 1:06d}"


def identified(capture: Capture, task_id: int, number: int) -> Capture:
    """Return the capture with IDs for itself and its scenes, the same at every start."""
    capture_id = capture.capture_id or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{task_id}/{number}"))
    scenes = tuple(
        _identified_scene(scene, capture, capture_id, task_id, (number, place))
        for place, scene in enumerate(capture.scenes)
    )
    return capture.model_copy(update={"capture_id": capture_id, "scenes": scenes})


def _identified_scene(
    scene: Scene, capture: Capture, capture_id: str, task_id: int, place: tuple[int, int]
) -> Scene:
    scene_id = scene.scene_id or f"{stamp(capture, task_id, *place)}_L1"
    return scene.model_copy(
        update={
            "scene_id": scene_id,
            "sceneset_id": scene.sceneset_id or capture_id,
            "file_name": scene.file_name or f"{scene_id}_MS_{task_id}.zip",
            "attachments": scene.attachments or _attachments(zip_first=sum(place) % 2 == 0),
        }
    )


def stamp(capture: Capture, task_id: int, number: int, scene: int, *, fraction: str = "") -> str:
    """Return the beginning of a scene ID like the provider's, with an invented time that makes it unique."""
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(
        seconds=task_id % 10_000 * 10_000 + number * 10 + scene
    )
    return f"{moment:%Y%m%d_%H%M%S}{fraction}_SN{capture.satellite_name.removeprefix('newsat')}"


def exact_stamp(capture: Capture, task_id: int, number: int, scene: int) -> str:
    """Return the beginning of the ID of an item or deliverable: with milliseconds."""
    return stamp(capture, task_id, number, scene, fraction=f"_{task_id // 10_000 % 1000:03d}")


def _attachments(*, zip_first: bool) -> tuple[Attachment, ...]:
    # The zip is not always first, as the provider does not promise it.
    if zip_first:
        return ("delivery_zip", "footprint", "thumbnail", "preview")
    return ("thumbnail", "delivery_zip", "footprint", "preview")
