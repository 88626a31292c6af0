"""Reads scenes of published captures, and links to their attachments, from the archive."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from orderwatch.core.model import Capture, Delivery, Order
from orderwatch.core.orders.snapshot import AttachmentSnapshot, SceneSnapshot
from orderwatch.ports import Offer
from orderwatch.provider.client import TELLURIC, HttpClient
from orderwatch.provider.delivery.availability import Availability
from orderwatch.provider.delivery.offered_links import LinkCache, OfferedLinks, Offers
from orderwatch.provider.pagination import rows
from orderwatch.provider.schemas import Attachment, RowSource, Scene, SchemaReader, read_time

_SUFFIXES = {"delivery_zip": ".zip", "footprint": ".kml", "thumbnail": ".png", "preview": ".png"}
_DEFAULT_ATTACHMENT = "delivery_zip"
_UNREADABLE = Scene.model_construct(scene_id="")  # stands for all unreadable rows
_NO_DATE = datetime.min.replace(tzinfo=UTC)


class TelluricApi:
    """`ports.Archive` over the Telluric API."""

    def __init__(self, http: HttpClient, reader: SchemaReader, monotonic: Callable[[], float]) -> None:
        self._http = http
        self._reader = reader
        self._availability = Availability(http.credentials.name, "telluric")
        self._links = LinkCache("telluric", monotonic)

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]:
        del order
        scenes = await self._scenes(capture.capture_id)
        self._links_of(capture.capture_id).keep(self._offers(scenes))
        return [
            SceneSnapshot(
                scene_id=scene.scene_id,
                facts=scene.facts,
                attachments=tuple(_to_snapshot(scene, attachment) for attachment in self._attachments(scene)),
            )
            for scene in scenes.values()
        ]

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        del order
        return await self._links_of(delivery.capture_id).take(delivery.scene_id, delivery.attachment)

    def _links_of(self, capture_id: str) -> OfferedLinks:
        return self._links.of(capture_id, partial(self._request, capture_id))

    async def _request(self, capture_id: str) -> Offers:
        return self._offers(await self._scenes(capture_id))

    def _offers(self, scenes: Mapping[str, Scene]) -> Offers:
        return {
            scene_id: {
                attachment.name: _to_offer(scene, attachment)
                for attachment in self._attachments(scene)
                if isinstance(attachment.url, str)
            }
            for scene_id, scene in scenes.items()
        }

    async def _scenes(self, capture_id: str) -> dict[str, Scene]:
        with self._availability.watch():
            return await self._read_scenes(capture_id)

    async def _read_scenes(self, capture_id: str) -> dict[str, Scene]:
        """Return the latest version of each scene by scene_id; its sceneset_id may not be the capture's."""
        found: dict[str, Scene] = {}
        list_name = f"scenes of capture {capture_id}"
        of_capture = {"sceneset_id": capture_id}
        async for position, raw in rows(self._http, TELLURIC, "/telluric/scenes/", of_capture):
            scene = self._reader.read(Scene, raw, RowSource(list_name, position))
            if scene is None:
                found[""] = _UNREADABLE
            elif _modified(scene) >= _modified(found.get(scene.scene_id)):
                found[scene.scene_id] = scene
        return found

    def _attachments(self, scene: Scene) -> Iterator[Attachment]:
        """Yield each attachment name once; the first row of a name counts."""
        names: set[str] = set()
        for position, raw in enumerate(scene.attachments, 1):
            source = RowSource(f"attachments of scene {scene.scene_id}", position)
            attachment = self._reader.read(Attachment, raw, source)
            if attachment and attachment.name not in names:
                names.add(attachment.name)
                yield attachment


def _modified(scene: Scene | None) -> datetime:
    return (scene and read_time(scene.last_modified)) or _NO_DATE


def _to_offer(scene: Scene, attachment: Attachment) -> Offer:
    seen = _to_snapshot(scene, attachment)
    return Offer(file_name=seen.file_name, fingerprint=seen.fingerprint, url=str(attachment.url))


def _to_snapshot(scene: Scene, attachment: Attachment) -> AttachmentSnapshot:
    name = attachment.name
    file_name = attachment.file_name or f"{scene.scene_id}_{name}{_SUFFIXES.get(name, '')}"
    published = "\0".join((scene.scene_id, name, file_name, scene.last_modified or ""))
    fingerprint = hashlib.sha256(published.encode()).hexdigest()[:24]
    return AttachmentSnapshot(
        name=name, file_name=file_name, fingerprint=fingerprint, is_default=name == _DEFAULT_ATTACHMENT
    )
