"""Several archives are read in order: the next one where one has nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from tests.provider.stac.stac_kit import a_capture, a_delivery, an_order

from orderwatch.core.model import Capture, Delivery, Order, SceneFacts
from orderwatch.core.orders.snapshot import AttachmentSnapshot, SceneSnapshot
from orderwatch.errors import MissingError, ProviderError, UnavailableError
from orderwatch.ports import Offer
from orderwatch.provider.delivery.fallback import FallbackArchive


def scene(scene_id: str, *names: str) -> SceneSnapshot:
    attachments = tuple(AttachmentSnapshot(name=name, file_name=name, fingerprint=name) for name in names)
    return SceneSnapshot(scene_id=scene_id, facts=SceneFacts(), attachments=attachments)


@dataclass
class Store:
    """An archive that has these scenes, or fails; `asked` counts its requests for links."""

    found: Sequence[SceneSnapshot] = ()
    failing: ProviderError | None = None
    asked: list[str] = field(default_factory=list)

    async def scenes(self, order: Order, capture: Capture) -> Sequence[SceneSnapshot]:
        del order, capture
        if self.failing:
            raise self.failing
        return self.found

    async def offer(self, order: Order, delivery: Delivery) -> Offer:
        del order
        self.asked.append(delivery.scene_id)
        if self.failing:
            raise self.failing
        if delivery.scene_id not in {one.scene_id for one in self.found}:
            raise MissingError(f"not here: {delivery.scene_id}")
        return Offer(file_name="a", fingerprint="b", url="https://x/")


async def ids(*stores: Store) -> list[str]:
    return [one.scene_id for one in await FallbackArchive(stores).scenes(an_order(), a_capture())]


FULL, OTHER = Store([scene("a", "zip")]), Store([scene("b", "tif")])
GONE, DOWN = MissingError("404"), UnavailableError("503")


async def test_the_first_archive_that_has_something_counts() -> None:
    assert await ids(FULL, OTHER) == ["a"]
    assert await ids(Store(), OTHER, FULL) == ["b"]
    assert await ids(Store(failing=GONE), OTHER) == ["b"]
    assert await ids(Store([scene("bare")]), OTHER) == ["b"]


async def test_scenes_without_attachments_are_shown_if_no_archive_has_more() -> None:
    assert await ids(Store([scene("bare")]), Store()) == ["bare"]
    assert await ids(Store(), Store()) == []


async def test_an_unreadable_scene_is_not_nothing() -> None:
    assert await ids(Store([scene("")]), OTHER) == [""]


async def test_an_archive_that_fails_is_no_reason_to_use_the_next() -> None:
    with pytest.raises(UnavailableError):
        await ids(Store(failing=DOWN), OTHER)


async def test_a_missing_archive_is_reported_if_the_others_have_nothing() -> None:
    with pytest.raises(MissingError, match="404"):
        await ids(Store(failing=GONE), Store())


async def test_an_offer_comes_from_the_archive_that_has_the_scene() -> None:
    one, two = Store(FULL.found), Store(OTHER.found)
    archive = FallbackArchive([one, two])
    for name in "aabb":
        await archive.offer(an_order(), a_delivery(name, "x"))
    assert one.asked == ["a", "a", "b"]  # then the other one is asked first
    assert two.asked == ["b", "b"]
    with pytest.raises(MissingError):
        await archive.offer(an_order(), a_delivery("c", "x"))


async def test_links_of_scenes_that_the_second_archive_showed_are_requested_there_alone() -> None:
    one, two = Store(), Store(OTHER.found)
    archive = FallbackArchive([one, two])
    await archive.scenes(an_order(), a_capture())
    await archive.offer(an_order(), a_delivery("b", "x"))
    assert (one.asked, two.asked) == ([], ["b"])


async def test_an_archive_that_is_down_offers_nothing_from_the_next() -> None:
    archive = FallbackArchive([Store(failing=DOWN), OTHER])
    with pytest.raises(UnavailableError):
        await archive.offer(an_order(), a_delivery("b", "x"))
