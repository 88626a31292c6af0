"""An item is a scene, its assets are attachments, and each link carries what it needs and no more."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from tests.provider.hosts import Host, give_token
from tests.provider.kit import CONTRACT, Desk
from tests.provider.stac.stac_kit import (
    BUCKET,
    OTHER,
    Shelf,
    a_delivery,
    an_order,
    item,
    reading,
)

from orderwatch.core.orders.snapshot import AttachmentSnapshot, SceneSnapshot
from orderwatch.errors import MissingError
from orderwatch.ports import Offer

ITEM_ID = item()["id"]
S3 = "s3://bucket/L1D_SR/scene_visual.tif"


async def the_scene(shelf: Shelf) -> SceneSnapshot:
    async with reading(shelf) as here:
        (scene,) = await here.scenes()
        return scene


def with_assets(assets: object) -> Any:  # noqa: ANN401 - JSON
    return {**item(), "assets": assets}


async def attachments(assets: object) -> dict[str, AttachmentSnapshot]:
    scene = await the_scene(Shelf([with_assets(assets)]))
    return {found.name: found for found in scene.attachments}


async def fingerprint(one: Any) -> str:  # noqa: ANN401 - JSON
    scene = await the_scene(Shelf([one]))
    return next(found.fingerprint for found in scene.attachments if found.name == "visual")


async def test_an_item_is_a_part_of_its_capture_with_its_facts() -> None:
    scene = await the_scene(Shelf([item()]))
    assert scene.scene_id == ITEM_ID
    assert scene.is_part
    assert scene.facts.timestamp == datetime(2026, 3, 11, 4, 30, 12, 418277, tzinfo=UTC)
    facts = scene.facts
    assert (facts.satellite_name, facts.product, facts.collection) == ("newsat33", "L1D_SR", "l1d-sr")
    assert (facts.grid, facts.product_version) == ("SATL-4KM-50N_612_1740", "2.0.1")
    assert facts.footprint
    assert facts.footprint["type"] == "Polygon"


@pytest.mark.parametrize(
    ("given", "found"),
    [(7.2, 7.2), (0, 0.0), (100, 100.0), (101, None), (-1, None), ("7", None), (True, None)],
)
async def test_the_cloud_cover_is_a_percentage_or_unknown(given: object, found: float | None) -> None:
    scene = await the_scene(
        Shelf([{**item(), "properties": {**item()["properties"], "eo:cloud_cover": given}}])
    )
    assert scene.facts.cloud_cover == found


async def test_all_assets_are_wanted_and_named_by_their_files() -> None:
    scene = await the_scene(Shelf([item()]))
    assert [(a.name, a.file_name, a.is_default) for a in scene.attachments] == [
        ("visual", f"{ITEM_ID}_visual.tif", True),
        ("preview", f"{ITEM_ID}_preview.png", True),
    ]


@pytest.mark.parametrize(
    ("asset", "file_name"),
    [
        ({"href": f"{BUCKET}/x/visual", "type": "image/tiff; application=geotiff"}, f"{ITEM_ID}_a.tif"),
        ({"href": f"{BUCKET}/x/visual"}, f"{ITEM_ID}_a"),
        ({"href": f"{BUCKET}/x/a%20b.json?signature=c.zip"}, "a b.json"),
        ({"href": f"{BUCKET}/x?url=s3://b/c/d.zip"}, "d.zip"),
        ({"href": f"{BUCKET}/x.bin?href=s3%3A%2F%2Fb%2Fc%2Fd.zip"}, "d.zip"),
        ({"href": f"{BUCKET}/x/..%2F..%2Fetc.conf", "type": "text/plain"}, f"{ITEM_ID}_a.txt"),
        ({"href": f"{BUCKET}/eyJhbGciOi.eyJzdWIiOi.SflKxwRJSMeKKF2QT4"}, f"{ITEM_ID}_a"),
        ({"href": f"{BUCKET}/x/%00a.tif"}, "a.tif"),
        (f"{BUCKET}/x/bare.png", "bare.png"),
    ],
)
async def test_file_names_come_from_the_bucket_or_the_path_or_are_made_up(
    asset: object, file_name: str
) -> None:
    assert (await attachments({"a": asset}))["a"].file_name == file_name


async def test_no_two_assets_of_a_scene_have_the_same_file_name() -> None:
    one, two = ({"href": f"{BUCKET}/{folder}/cloud.TIF", "type": "image/tiff"} for folder in "ab")
    found = await attachments({"cloud": one, "shadow": {**two, "href": two["href"].lower()}})
    assert {a.file_name for a in found.values()} == {f"{ITEM_ID}_cloud.tif", f"{ITEM_ID}_shadow.tif"}


async def test_an_asset_in_a_bucket_is_fetched_by_an_alternate_link() -> None:
    asset = {"href": S3, "alternate": {"s3": {"href": S3}, "https": {"href": f"{BUCKET}/x"}}}
    async with reading(Shelf([with_assets({"visual": asset})])) as here:
        (scene,) = await here.scenes()
        offer = await here.archive.offer(an_order(), a_delivery(ITEM_ID, "visual"))
    assert scene.attachments[0].file_name == "scene_visual.tif"
    assert offer.url == f"{BUCKET}/x"


async def test_an_asset_that_http_cannot_fetch_is_not_offered_and_logged_once_per_kind() -> None:
    assets = {
        "visual": {"href": S3},
        "ftp": {"href": "ftp://x/y.tif"},
        "user": {"href": "https://u:canary@x/y.tif"},
        "preview": {"href": f"{BUCKET}/p.png"},
    }
    shelf = Shelf([with_assets(assets), {**with_assets(assets), "id": "other"}])
    async with reading(shelf) as here:
        with capture_logs() as logs:
            scenes = [*await here.scenes(), *await here.scenes()]
        with pytest.raises(MissingError):
            await here.archive.offer(an_order(), a_delivery(ITEM_ID, "visual"))
    assert all([a.name for a in scene.attachments] == ["preview"] for scene in scenes)
    logged = [line for line in logs if line["event"] == "asset.unfetchable"]
    assert [line["name"] for line in logged] == ["visual", "ftp", "user"]
    assert "canary" not in str(logs)


async def test_an_unreadable_asset_hides_no_other() -> None:
    found = await attachments(
        {"a": None, "b": 7, "": f"{BUCKET}/x", "c": {"href": f"{BUCKET}/c.tif"}, "d": {"href": []}}
    )
    assert list(found) == ["c"]


@pytest.mark.parametrize(
    "broken",
    [
        "text",
        {**item(), "id": None},
        {**item(), "id": "https://x/?token=1"},
        {**item(), "assets": None},
        {**item(), "properties": {"datetime": "2026-03-11T04:30:12Z"}},
        item(more={"satl:outcome_id": None}),
    ],
)
async def test_an_unreadable_item_marks_the_answer_incomplete_and_hides_no_other(broken: object) -> None:
    async with reading(Shelf([broken, item("7_7")], ignores_filter=True)) as here:
        assert sorted(await here.ids()) == ["", item("7_7")["id"]]


# Versions


async def test_a_run_made_again_is_a_new_version_of_the_same_scene() -> None:
    first = await fingerprint(item())
    assert await fingerprint(item()) == first
    assert await fingerprint(item(more={"satl:last_modified": "2026-04-01T00:00:00Z"})) != first
    assert await fingerprint(item(more={"satl:transaction_id": "l1d-sr-job-2"})) != first


async def test_the_form_of_a_time_and_the_signature_of_a_link_are_no_version() -> None:
    same = item(more={"satl:last_modified": "2026-03-11T13:04:51.907340000Z"})
    same["assets"]["visual"]["href"] += "&X-Amz-Signature=other"
    assert await fingerprint(same) == await fingerprint(item())


async def test_another_product_version_stands_beside_the_first() -> None:
    async with reading(Shelf([item(), item(version="2_1_0")])) as here:
        assert await here.ids() == [ITEM_ID, item(version="2_1_0")["id"]]


async def test_without_marks_of_the_run_the_update_and_the_checksum_count() -> None:
    bare = {"satl:last_modified": None, "satl:transaction_id": None}
    first = await fingerprint(item(more=bare))
    assert await fingerprint(item(more={**bare, "updated": "2026-04-01T00:00:00Z"})) != first
    summed = item(more=bare)
    summed["assets"]["visual"]["file:checksum"] = "1220" + "ab" * 32
    assert await fingerprint(summed) != first
    assert await fingerprint(item(more={"updated": "2026-04-01T00:00:00Z"})) == await fingerprint(item())


async def test_of_an_item_shown_twice_the_later_run_counts() -> None:
    old, new = item(), item(more={"satl:last_modified": "2026-04-01T00:00:00Z"})
    assert await fingerprint(new) == next(
        a.fingerprint for a in (await the_scene(Shelf([new, old]))).attachments if a.name == "visual"
    )


async def test_the_same_id_in_two_collections_is_two_scenes() -> None:
    other = {**item(), "collection": "l1d"}
    for shelf in (Shelf([item(), other]), Shelf([other, item()])):
        async with reading(shelf, collections=("l1d-sr", "l1d")) as here:
            first, second = await here.scenes()
            assert (first.scene_id, second.scene_id) == (ITEM_ID, f"l1d/{ITEM_ID}")


async def test_a_made_up_name_has_no_separator() -> None:
    found = await attachments({"a/b\\c": {"href": f"{BUCKET}/visual", "type": "image/png"}})
    assert [a.file_name for a in found.values()] == [f"{ITEM_ID}_a_b_c.png"]


# Links


async def offers(shelf: Shelf, **given: Any) -> Mapping[str, Offer]:  # noqa: ANN401 - handed through
    async with reading(shelf, **given) as here:
        await here.scenes()
        return {
            name: await here.archive.offer(an_order(), a_delivery(ITEM_ID, name))
            for name in ("visual", "preview")
        }


async def test_only_links_of_the_own_api_get_the_headers_of_the_account() -> None:
    found = await offers(Shelf([item()]))
    assert found["visual"].headers == {
        "authorizationToken": "Bearer canary-token",
        "X-Satellogic-Contract-Id": CONTRACT,
    }
    assert found["preview"].headers == {}
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:9", "https://127.0.0.1", "http://127.0.0.1.example.com"]
)
async def test_links_of_other_origins_get_none(origin: str) -> None:
    other = item()
    other["assets"]["visual"]["href"] = f"{origin}/a.tif"
    assert (await offers(Shelf([other])))["visual"].headers == {}


async def test_links_of_an_archive_elsewhere_get_none() -> None:
    found = await offers(Shelf([item()]), api=Host(give_token))
    assert found["visual"].headers == {}


async def test_an_offer_holds_what_the_archive_knows_of_the_file() -> None:
    known = item()
    known["assets"]["visual"] |= {"file:size": 12345, "file:checksum": "1220" + "ab" * 32}
    found = (await offers(Shelf([known])))["visual"]
    assert (found.size, found.media_type) == (12345, "image/tiff; application=geotiff")
    assert found.checksum
    assert (found.checksum.algorithm, found.checksum.digest) == ("sha256", "ab" * 32)
    known["assets"]["visual"] |= {"file:size": -1, "file:checksum": "junk"}
    found = (await offers(Shelf([known])))["visual"]
    assert (found.size, found.checksum) == (None, None)


async def test_the_840_assets_of_a_capture_cost_its_pages_once() -> None:
    kinds = [f"kind{number}" for number in range(7)]
    tiles = [item(f"{number}_0") for number in range(120)]
    shelf = Shelf(
        [{**one, "assets": {kind: f"{BUCKET}/{one['id']}_{kind}.tif" for kind in kinds}} for one in tiles]
    )
    async with reading(shelf) as here:
        scenes = await here.scenes()
        for scene in scenes:
            for found in scene.attachments:
                offer = await here.archive.offer(an_order(), a_delivery(scene.scene_id, found.name))
                assert offer.fingerprint == found.fingerprint
                assert not offer.is_fresh
        assert len(shelf.bodies) == 2
        assert (
            await here.archive.offer(an_order(), a_delivery(ITEM_ID.replace("0_1_2", "0_0_2"), "kind0"))
        ).is_fresh
        assert len(shelf.bodies) == 4


async def test_a_delivery_of_a_capture_that_the_order_lost_is_still_offered() -> None:
    async with reading(Shelf([item()])) as here:
        offer = await here.archive.offer(an_order(), a_delivery(ITEM_ID, "preview"))
        assert offer.is_fresh
        with pytest.raises(MissingError, match=r"^archive: "):
            await here.archive.offer(an_order(), a_delivery(ITEM_ID, "preview", OTHER))


async def test_links_that_are_no_longer_fresh_are_requested_again() -> None:
    desk = Desk()
    async with reading(Shelf([item()]), desk) as here:
        await here.scenes()
        desk.at += 3600
        assert (await here.archive.offer(an_order(), a_delivery(ITEM_ID, "visual"))).is_fresh
        assert len(here.shelf.bodies) == 2


async def test_a_refused_token_is_renewed_for_the_search() -> None:
    async with reading(Shelf([item()], answers=[web.Response(status=401)])) as here:
        assert await here.ids() == [ITEM_ID]
