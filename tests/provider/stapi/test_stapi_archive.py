"""The files of an order: links of the order, of its statuses, and assets."""

from dataclasses import replace

import pytest
from aiohttp import web
from tests.provider.kit import Desk
from tests.provider.stapi.kit import (
    CAPTURE,
    KNOWN,
    ORDER_ID,
    PATH,
    STATUSES,
    TOKEN,
    Api,
    delivery,
    feature,
    link,
    status,
)

from orderwatch.core.orders.snapshot import SceneSnapshot
from orderwatch.errors import MissingError
from orderwatch.provider.connection import Connection

DONE = status("completed")
SHA256 = "ab" * 32


async def scenes(provider: Connection) -> list[SceneSnapshot]:
    return list(await provider.archive.scenes(KNOWN, CAPTURE))


async def names(desk: Desk, *links: object, **fields: object) -> dict[str, str]:
    """The attachments and their file names."""
    async with Api({PATH: feature(DONE, *links, **fields)}).open(desk) as provider:
        return {a.name: a.file_name for scene in await scenes(provider) for a in scene.attachments}


async def test_a_link_is_an_attachment_with_its_title_or_file_name(desk: Desk) -> None:
    found = await names(
        desk,
        link("https://files.example/a/visual.tif?sig=1", title="Visual"),
        link("https://files.example/a/meta.json", "enclosure", type="application/json"),
        link("https://files.example/", "data", type="image/png"),
    )
    assert found == {"Visual": "visual.tif", "meta.json": "meta.json", "delivery": f"{ORDER_ID}_delivery.png"}


async def test_links_that_lead_elsewhere_are_no_files(desk: Desk) -> None:
    others = [
        link("https://x/a.json", rel) for rel in ("self", "monitor", "cancel", "documents", "payment", "next")
    ]
    assert await names(desk, *others, link("https://x/a.tif", method="POST"), "odd", {"rel": "data"}) == {}


async def test_assets_are_attachments_with_their_facts(desk: Desk) -> None:
    asset = {
        "href": "https://files.example/a.tif",
        "type": "image/tiff",
        "file:size": 7,
        "file:checksum": f"1220{SHA256}",
    }
    async with Api({PATH: feature(DONE, assets={"visual": asset})}).open(desk) as provider:
        (scene,) = await scenes(provider)
        offer = await provider.archive.offer(KNOWN, delivery("visual"))
    assert (scene.scene_id, scene.facts.product, scene.is_part) == (ORDER_ID, "umbra_spotlight", True)
    assert [(a.name, a.is_default) for a in scene.attachments] == [("visual", True)]
    assert (offer.media_type, offer.size) == ("image/tiff", 7)
    assert offer.checksum is not None
    assert offer.checksum.digest == SHA256


async def test_files_of_a_partial_delivery_stay_though_the_status_has_passed(desk: Desk) -> None:
    partial = status("processing", reason_code="partial_delivery", links=[link("https://x/1.tif?sig=old")])
    now = status("completed", links=[link("https://x/2.tif"), link("https://x/1.tif?sig=new")])
    api = Api({PATH: feature(now), STATUSES: {"statuses": [partial, now]}})
    async with api.open(desk) as provider:
        (scene,) = await scenes(provider)
        assert [a.name for a in scene.attachments] == ["2.tif", "1.tif"]
        assert (await provider.archive.offer(KNOWN, delivery("1.tif"))).url == "https://x/1.tif?sig=new"


async def test_no_file_hides_another_of_the_same_name(desk: Desk) -> None:
    same = [link(f"https://x/{number}/download?id={number}", title="Download") for number in range(3)]
    one_place = [link(f"https://x/download?id={number}") for number in range(2)]
    found = await names(desk, *same, *one_place)
    assert set(found) == {"Download", "Download 2", "Download 3", "download", "download 2"}
    assert len(set(found.values())) == 5


async def test_a_new_signature_is_no_new_file_and_another_place_is_one(desk: Desk) -> None:
    prints = []
    for href in ("https://x/1/a.tif?sig=1", "https://x/1/a.tif?sig=2", "https://x/2/a.tif"):
        async with Api({PATH: feature(DONE, link(href))}).open(desk) as provider:
            (scene,) = await scenes(provider)
            prints += [a.fingerprint for a in scene.attachments]
    assert prints[0] == prints[1] != prints[2]


async def test_the_accounts_token_goes_to_its_own_origin_only(desk: Desk) -> None:
    def answer(_: web.Request) -> web.StreamResponse:
        own, foreign = link(f"{api.url}/files/own.tif"), link("https://files.example/foreign.tif")
        insecure = link(f"{api.url.replace('http:', 'https:')}/files/other.tif")
        return web.json_response(feature(DONE, own, foreign, insecure))

    api = Api({PATH: answer})
    async with api.open(desk) as provider:
        offers = [
            await provider.archive.offer(KNOWN, delivery(name))
            for name in ("own.tif", "foreign.tif", "other.tif")
        ]
    assert [offer.headers for offer in offers] == [{"Authorization": f"Bearer {TOKEN}"}, {}, {}]
    assert TOKEN not in repr(offers)


async def test_one_answer_serves_the_order_its_capture_and_its_files(desk: Desk) -> None:
    api = Api({PATH: feature(DONE, link("https://x/a.tif")), STATUSES: {"statuses": []}})
    async with api.open(desk) as provider:
        await provider.tasking.order(ORDER_ID)
        assert [c.status async for c in provider.tasking.captures(ORDER_ID)] == ["completed"]
        assert len(await scenes(provider)) == 1
        assert len(api.asked) == 2
        desk.at += 31
        assert len(await scenes(provider)) == 1
        assert len(api.asked) == 4


async def test_an_order_without_files_has_no_scenes(desk: Desk) -> None:
    async with Api({PATH: feature(DONE)}).open(desk) as provider:
        assert await scenes(provider) == []
        with pytest.raises(MissingError):
            await provider.archive.offer(KNOWN, replace(delivery("a.tif"), scene_id="other"))
