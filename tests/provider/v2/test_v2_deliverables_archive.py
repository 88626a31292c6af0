"""A deliverable with files is a scene of its capture; its assets are attachments."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from tests.examples import examples
from tests.provider.hosts import Host, at
from tests.provider.kit import CONTRACT, Desk
from tests.provider.stac.stac_kit import a_capture, an_order
from tests.provider.stac.stac_kit import a_delivery as of_capture
from tests.provider.test_provider_mutations import bent
from tests.provider.v2.kit import DELIVERABLES, ORDER_ID, OUTCOME, Api

from orderwatch.core.model import Capture, Delivery
from orderwatch.errors import MissingError
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.v2.deliverables_archive import DeliverablesArchive

SCENE = "20260305_174418_288_SN48_L1D_SR_MS_347586"
ONE, TWO = "deliv.3c2b9a44-021b-410f-ab34-276f7e80a1d5", "deliv.00000000-021b-410f-ab34-276f7e80a1d5"
ORDER = an_order(order_id=ORDER_ID)
CAPTURE = a_capture(OUTCOME)


def link(name: str, bucket: str = "b") -> str:
    return f"https://api.example.com/deliverables/{SCENE}/{name}?s=s3://{bucket}/x/{SCENE}_{name}.tif"


def deliverable(deliverable_id: str = ONE, **other: object) -> dict[str, object]:
    return {
        "deliverable_id": deliverable_id,
        "order": ORDER_ID,
        "capture_id": OUTCOME,
        "status": "DELIVERED",
        "processing_level": "L1D_SR",
        "assets": {"visual": {"href": link("visual")}, "analytic": link("analytic")},
        **other,
    }


def a_delivery(scene_id: str, attachment: str) -> Delivery:
    return of_capture(scene_id, attachment, OUTCOME)


@asynccontextmanager
async def reading(answer: object, desk: Desk | None = None) -> AsyncIterator[tuple[DeliverablesArchive, Api]]:
    api, desk = Api({DELIVERABLES: answer}), desk or Desk()
    async with Host(api.reply).serving() as url, desk.connect(at(url)) as connection:
        yield DeliverablesArchive(connection.http, SchemaReader("main"), desk.monotonic), api


async def ids(answer: object, capture: Capture = CAPTURE) -> list[str]:
    async with reading(answer) as (archive, _):
        return [scene.scene_id for scene in await archive.scenes(ORDER, capture)]


async def fingerprint(row: object) -> str:
    async with reading([row]) as (archive, _):
        (scene,) = await archive.scenes(ORDER, CAPTURE)
        return scene.attachments[0].fingerprint


async def test_a_deliverable_is_a_part_of_its_capture() -> None:
    async with reading([deliverable()]) as (archive, _):
        (scene,) = await archive.scenes(ORDER, CAPTURE)
    assert (scene.scene_id, scene.is_part) == (ONE, True)
    assert (scene.facts.product, scene.facts.timestamp) == ("L1D_SR", CAPTURE.start)
    assert [(a.name, a.file_name, a.is_default) for a in scene.attachments] == [
        ("visual", f"{SCENE}_visual.tif", True),
        ("analytic", f"{SCENE}_analytic.tif", True),
    ]


@pytest.mark.parametrize("key", ["results", "features", "items"])
@pytest.mark.parametrize("nested", [False, True])
async def test_rows_are_read_in_every_envelope(key: str, *, nested: bool) -> None:
    row = {"type": "Feature", "properties": deliverable()} if nested else deliverable()
    assert await ids({key: [row]}) == [ONE]


async def test_only_deliverables_with_files_are_scenes() -> None:
    open_or_bad = [
        deliverable(f"d{n}", status=word) for n, word in enumerate(("queued", "processing", "failed"))
    ]
    assert await ids([deliverable(), *open_or_bad, deliverable(TWO, status="Shipped")]) == [ONE, TWO]


async def test_each_capture_has_its_own_deliverables() -> None:
    rows = [
        deliverable(capture_id=f"cap.{OUTCOME}"),
        deliverable(TWO, capture_id="other"),
        deliverable("alone", capture_id=None),
    ]
    assert await ids(rows) == [ONE]
    assert await ids(rows, a_capture("other")) == [TWO]
    assert await ids(rows, a_capture("alone")) == ["alone"]


async def test_an_unreadable_deliverable_marks_the_answer_incomplete() -> None:
    assert sorted(await ids([deliverable(), {"status": "DELIVERED"}])) == ["", ONE]


async def test_a_missing_order_is_missing() -> None:
    async with reading(None) as (archive, _):
        with pytest.raises(MissingError):
            await archive.scenes(ORDER, CAPTURE)


async def test_other_files_in_the_bucket_are_a_new_version() -> None:
    first = await fingerprint(deliverable())
    assert (
        await fingerprint(deliverable(assets={"visual": {"href": link("visual") + "&Signature=2"}})) == first
    )
    assert await fingerprint(deliverable(assets={"visual": {"href": link("visual", "b2")}})) != first
    assert await fingerprint(deliverable(TWO)) != first
    summed = {"href": link("visual"), "file:checksum": "1220" + "ab" * 32}
    assert await fingerprint(deliverable(assets={"visual": summed})) != first


async def test_a_signed_link_counts_without_its_query() -> None:
    signed = [{"visual": f"https://bucket.example.com/a.tif?X-Amz-Signature={n}"} for n in range(2)]
    one, two = [await fingerprint(deliverable(assets=assets)) for assets in signed]
    assert one == two


async def test_one_answer_serves_all_captures_of_an_order_and_their_links() -> None:
    rows = [deliverable(), deliverable(TWO, capture_id="other")]
    desk = Desk()
    async with reading(rows, desk) as (archive, api):
        await archive.scenes(ORDER, CAPTURE)
        await archive.scenes(ORDER, a_capture("other"))
        assert (await archive.offer(ORDER, a_delivery(TWO, "visual"))).url == link("visual")
        assert len(api.asked) == 1
        desk.at += 60
        await archive.scenes(ORDER, CAPTURE)
        assert (await archive.offer(ORDER, a_delivery(ONE, "visual"))).headers == {}
        assert len(api.asked) == 2


async def test_links_of_the_own_api_get_the_headers_of_the_account() -> None:
    def answer(request: web.Request) -> web.StreamResponse:
        assets = {"visual": {"href": f"http://{request.host}/deliverables/x/visual"}}
        return web.json_response([deliverable(assets=assets)])

    async with reading(answer) as (archive, _):
        offer = await archive.offer(ORDER, a_delivery(ONE, "visual"))
    assert offer.headers["X-Satellogic-Contract-Id"] == CONTRACT
    assert "canary" not in repr(offer)


@settings(max_examples=examples(20), deadline=None)
@given(bent(deliverable()))
def test_a_bent_deliverable_hides_no_sound_one(document: dict[str, Any]) -> None:
    async def asking() -> Any:  # noqa: ANN401 - scenes
        async with reading([document, deliverable(TWO)]) as (archive, _):
            return await archive.scenes(ORDER, CAPTURE)

    scenes = asyncio.run(asking())
    assert [scene.scene_id for scene in scenes].count(TWO) == 1
    names = [(a.name, a.file_name, a.fingerprint) for scene in scenes for a in scene.attachments]
    assert b"://" not in json.dumps(names, ensure_ascii=False).encode()
