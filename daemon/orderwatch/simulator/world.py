"""What the provider shows at a moment: a pure function of scenario and seconds since its start."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from orderwatch.simulator.assets.grid import strip
from orderwatch.simulator.attachments import Content, content
from orderwatch.simulator.documents import Document, current, zulu
from orderwatch.simulator.orders import Attachment, Capture, Order, Scene
from orderwatch.simulator.scenario import Scenario

Sign = Callable[[str, Attachment], str]
"""Returns a new link token for this attachment of this scene."""


@dataclass(frozen=True, slots=True)
class Place:
    """A scene with its order and capture; `strip` is the number of the capture, and of all captures."""

    order: Order
    capture: Capture
    scene: Scene
    strip: tuple[int, int]

    @property
    def shown_from(self) -> float | None:
        published = self.capture.published
        return None if published is None else published + self.scene.appears


class _Life(NamedTuple):
    """The time an order is visible, and its contract."""

    begins: float
    ends: float
    contract: str
    order: Order

    def holds(self, at: float, contracts: Collection[str] | None) -> bool:
        return self.begins <= at < self.ends and (contracts is None or self.contract in contracts)


@dataclass(frozen=True)
class World:
    """`epoch` is the time of second 0; `hosts` are the origins of downloads (`http://127.0.0.1:8001`)."""

    scenario: Scenario
    epoch: datetime
    hosts: tuple[str, ...]

    def moment(self, seconds: float) -> datetime:
        return self.epoch + timedelta(seconds=seconds / self.scenario.speed)

    def seconds(self, moment: datetime) -> float:
        return (moment - self.epoch).total_seconds() * self.scenario.speed

    def orders(self, at: float, contracts: Collection[str] | None = None) -> list[Order]:
        """Return the visible orders of these contracts or of all."""
        return [life.order for life in self._lives if life.holds(at, contracts)]

    def tasks(self, at: float, contracts: Collection[str] | None = None) -> list[Order]:
        """Return the visible orders that v1 has."""
        return [order for order in self.orders(at, contracts) if order.is_task(at)]

    def order(self, task_id: int, at: float, contracts: Collection[str] | None = None) -> Order | None:
        life = self._orders.get(task_id)
        seen = life is not None and life.holds(at, contracts) and life.order.is_task(at)
        return life.order if life is not None and seen else None

    def order_with(self, order_id: str, at: float, contracts: Collection[str] | None = None) -> Order | None:
        """Return an order by its ID in v2."""
        life = self._by_order_id.get(order_id)
        return life.order if life is not None and life.holds(at, contracts) else None

    def owner(self, capture_id: str) -> Order | None:
        """Return the order of a capture, visible or not."""
        return self._owners.get(capture_id)

    def task(self, order: Order, at: float) -> Document:
        return {
            "task_id": order.task_id,
            "task_name": order.task_name,
            "project_name": order.project_name,
            "product": order.product,
            "start": zulu(self.moment(order.start).replace(microsecond=0)),
            "end": zulu(self.moment(order.end).replace(microsecond=0)),
            "priority": order.priority,
            "client": order.client,
            "target": _with_height(order.target),
            "created_time": zulu(self.moment(order.created)),
            "status": current(order.status, at),
        }

    def captures(self, order: Order, at: float) -> list[Capture]:
        return [capture for capture in order.captures if current(capture.status, at) is not None]

    def capture(self, capture: Capture, at: float) -> Document:
        return {
            "capture_id": capture.capture_id,
            "start": zulu(self.moment(capture.taken)),
            "satellite_name": capture.satellite_name,
            "status": current(capture.status, at),
        }

    def places(self, at: float, order: Order | None = None) -> list[Place]:
        """Return the visible scenes of one order or of all."""
        orders = self.scenario.orders if order is None else (order,)
        ids = (s.scene_id for each in orders for capture in each.captures for s in capture.scenes)
        return [place for scene_id in ids if (place := self.place(scene_id, at)) is not None]

    def place(self, scene_id: str, at: float) -> Place | None:
        place = self._places.get(scene_id)
        seen = place is not None and place.shown_from is not None and place.shown_from <= at
        return place if seen else None

    def attachments(self, place: Place, at: float) -> list[Attachment]:
        shown_from = place.shown_from or 0.0
        late = at < shown_from + place.scene.zip_appears
        return [name for name in place.scene.attachments if not (late and name == "delivery_zip")]

    def revision(self, place: Place, at: float) -> int:
        """Return the revision: 1, plus 1 for each republication."""
        return 1 + sum(second <= at for second in place.scene.republished)

    def last_modified(self, place: Place, at: float) -> datetime:
        return self.moment(max(s for s in (place.shown_from or 0.0, *place.scene.republished) if s <= at))

    def content(self, place: Place, name: Attachment, at: float) -> Content:
        revision, scenic = self.revision(place, at), self.scenario.scenic
        return content(name, self._facts(place), revision, place.scene.size, scenic=scenic)

    def file_name(self, place: Place, name: Attachment) -> str:
        scene_id = place.scene.scene_id
        match name:
            case "delivery_zip":
                return place.scene.file_name
            case "footprint":
                return f"{scene_id}_MS_footprint.kml"
            case "thumbnail" | "preview":
                return f"{scene_id}_MS_{name}.png"

    def scene(self, place: Place, at: float, sign: Sign) -> Document:
        url = f"{self.hosts[place.scene.host]}/v2/scenes/{place.scene.scene_id}/"
        rasters = {"L3_MS": ["red", "green", "blue"], "L1_MS": ["blue", "green", "red", "nir"]}
        stem = place.scene.scene_id.removesuffix("_L1")
        return self._facts(place) | {
            "rasters": [_raster(url, f"{stem}_{kind}.tif", bands) for kind, bands in rasters.items()],
            "bands": {band: {"wavelength": nanometres} for band, nanometres in _BANDS.items()},
            "attachments": [self._attachment(place, name, url, sign) for name in self.attachments(place, at)],
            "last_modified": zulu(self.last_modified(place, at)),
        }

    def _facts(self, place: Place) -> Document:
        """Return the constant fields of a scene."""
        number = place.capture.scenes.index(place.scene)
        return {
            "scene_id": place.scene.scene_id,
            "sceneset_id": place.scene.sceneset_id,
            "timestamp": zulu(self.moment(place.capture.taken) + timedelta(seconds=2.946876 * (number + 1))),
            "footprint": {"type": "Polygon", "coordinates": [strip(place.order.target, *place.strip)]},
            "metadata": {"cloud_cover": 7 * number, "task_id": place.order.task_id},
            "supplier": "Satellogic",
            "satellite_class": "NewSat",
            "satellite_name": place.capture.satellite_name,
            "productname": "L1 TOA Reflectance",
        }

    def _attachment(self, place: Place, name: Attachment, scene_url: str, sign: Sign) -> Document:
        edit_url, file_name = f"{scene_url}attachments/{name}/", self.file_name(place, name)
        storage = self.scenario.downloads.storage if name == "delivery_zip" else ""
        target = f"{storage}/{file_name}" if storage else f"{edit_url}download/"
        return {
            "scene": scene_url,
            "url": f"{target}?token={sign(place.scene.scene_id, name)}",
            "file_name": file_name,
            "name": name,
            "metadata": {},
            "edit_url": edit_url,
        }

    @cached_property
    def _lives(self) -> list[_Life]:
        # Read for every page of thousands of orders: a tuple is faster than a model.
        contract_of = self.scenario.contract_of
        return [
            _Life(
                max(order.status[0][0], -math.inf if order.shown is None else order.shown),
                math.inf if order.lost is None else order.lost,
                contract_of(order),
                order,
            )
            for order in self.scenario.orders
        ]

    @cached_property
    def _orders(self) -> dict[int, _Life]:
        return {life.order.task_id: life for life in self._lives}

    @cached_property
    def _by_order_id(self) -> dict[str, _Life]:
        return {life.order.order_id: life for life in self._lives}

    @cached_property
    def _owners(self) -> dict[str, Order]:
        return {capture.capture_id: order for order in self.scenario.orders for capture in order.captures}

    @cached_property
    def _places(self) -> dict[str, Place]:
        return {
            scene.scene_id: Place(order, capture, scene, (number, len(order.captures)))
            for order in self.scenario.orders
            for number, capture in enumerate(order.captures)
            for scene in capture.scenes
        }


_BANDS = {"blue": 480, "green": 545, "red": 635, "nir": 830}


def _raster(scene_url: str, file_name: str, bands: list[str]) -> Document:
    return {
        # The provider's responses contain this placeholder.
        "url": f"{scene_url}token/{{token}}/raster/{file_name}",
        "bands": bands,
        "file_name": file_name,
        "source": "internal",
        "scene": scene_url,
    }


def _with_height(target: Document) -> Document:
    """Add a height of zero to a point, as the provider does."""
    if target["type"] != "Point":
        return target
    longitude, latitude, *_ = target["coordinates"]
    return {"type": "Point", "coordinates": [longitude, latitude, 0.0]}
