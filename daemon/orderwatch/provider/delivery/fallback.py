"""Reads several archives in order: the next one where one has nothing."""

from collections.abc import Sequence

from orderwatch.core.model import Capture, Delivery, Order
from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.errors import MissingError
from orderwatch.ports import Archive, Offer

_MAX_CAPTURES = 10_000  # remembered; each one forgotten costs a request


class FallbackArchive:
    """`ports.Archive` over several. One that fails is no reason to use the next, one that answers 404 is."""

    def __init__(self, archives: Sequence[Archive]) -> None:
        self._archives = archives
        self._sources: dict[str, Archive] = {}  # by capture: the one that had something last

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]:
        """Return the scenes of the first archive that offers an attachment, or has one that is unreadable."""
        missing: MissingError | None = None
        empty: Sequence[SceneSnapshot] = ()
        for archive in self._archives:
            try:
                scenes = await archive.scenes(order, capture)
            except MissingError as error:
                missing = missing or error
                continue
            if any(scene.attachments or not scene.scene_id for scene in scenes):
                self._remember(capture.capture_id, archive)
                return scenes
            empty = empty or scenes
        if missing and not empty:
            raise missing
        return empty

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        """Ask first where the capture was found last, because a request elsewhere would find nothing."""
        source = self._sources.get(delivery.capture_id)
        missing: MissingError | None = None
        for archive in sorted(self._archives, key=lambda archive: archive is not source):
            try:
                offer = await archive.offer(order, delivery)
            except MissingError as error:
                missing = missing or error
            else:
                self._remember(delivery.capture_id, archive)
                return offer
        raise missing or MissingError("no archive is configured")

    def _remember(self, capture_id: str, archive: Archive) -> None:
        if len(self._sources) >= _MAX_CAPTURES:
            self._sources.clear()
        self._sources[capture_id] = archive
