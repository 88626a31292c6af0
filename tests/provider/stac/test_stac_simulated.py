"""The simulated archive and its deliverables, read to the last byte."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from tests.provider.kit import Desk
from tests.provider.stac.stac_kit import a_capture, a_delivery, an_order

from orderwatch.core.model import Delivery, Order
from orderwatch.errors import AnswerError, MissingError, RefusedError
from orderwatch.ports import Offer
from orderwatch.provider.connection import Connection
from orderwatch.provider.credentials import Credentials
from orderwatch.provider.schemas import SchemaReader
from orderwatch.provider.stac.archive import StacArchive
from orderwatch.provider.tokens import REJECT_PAUSE_SECONDS
from orderwatch.provider.v2.deliverables_archive import DeliverablesArchive
from orderwatch.simulator import Scenario, serve

EPOCH = datetime(2026, 7, 14, 7, 40, 41, tzinfo=UTC)
TARGET = {"type": "Point", "coordinates": [4.0333, 51.9555]}
PUBLISHED = ((0.0, "captured"), (0.0, "published"))
OUTCOME = "9d5d1c1e-6a0b-4d58-9a3e-0c1c2f8e7b11"


def scenario(**given: Any) -> Scenario:  # noqa: ANN401 - tables of a scenario
    tiles: Mapping[str, object] = {"count": 12, **given.pop("tiles", {})}
    capture = {"capture_id": OUTCOME, "status": PUBLISHED, "tiles": tiles, "scenes": [{"size": 1000}]}
    neighbour = {"status": PUBLISHED, "tiles": 3, "scenes": [{"size": 1000}]}
    order = {"task_id": 1, "order_id": "000383", "target": TARGET, "captures": [capture, neighbour]}
    return Scenario.model_validate({"orders": [order], **given})


class Play:
    """A simulated provider; `hand` is the hand of its clock in seconds."""

    def __init__(self, connection: Connection, hand: list[float], desk: Desk) -> None:
        self.stac = StacArchive(connection.http, SchemaReader("main"), desk.monotonic)
        self.deliverables = DeliverablesArchive(connection.http, SchemaReader("main"), desk.monotonic)
        self.hand = hand
        self.desk = desk
        self.order: Order = an_order(order_id="000383", document={"target": TARGET})
        self.capture = a_capture(OUTCOME, EPOCH)

    async def read(self, archive: StacArchive | DeliverablesArchive) -> dict[tuple[str, str], str]:
        """Return the fingerprints by scene and attachment."""
        scenes = await archive.scenes(self.order, self.capture)
        return {(scene.scene_id, a.name): a.fingerprint for scene in scenes for a in scene.attachments}

    def delivery(self, key: tuple[str, str]) -> Delivery:
        return a_delivery(*key, OUTCOME)


@asynccontextmanager
async def playing(
    played: Scenario,
    *,
    search: str = "/v2/archive/search",
    **changes: Any,  # noqa: ANN401 - of the credentials
) -> AsyncIterator[Play]:
    hand, desk = [0.0], Desk()
    async with serve(played, clock=lambda: hand[0], now=lambda: EPOCH + timedelta(seconds=hand[0])) as there:
        access = Credentials(
            name="main",
            kind="platform",
            client_id="sim-client",
            read_secret=lambda: "sim-secret",
            contract_id=played.accounts[0].contracts[0].contract_id,
            token_url=there.token_url,
            accounts_url=there.api_url,
            api_url=there.api_url,
            requests_per_second=1e18,
            collections=("l1d-sr", "l1d"),
            archive_url=there.api_url + search,
        )
        hand[0] = 10.0
        async with desk.connect(replace(access, **changes)) as connection:
            yield Play(connection, hand, desk)


async def fetched(offer: Offer) -> int:
    """Return how many bytes the link gives; a redirect to another origin carries no headers."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(offer.url, headers=offer.headers, allow_redirects=False) as answer,
    ):
        if answer.status not in {302, 307}:
            assert answer.status == 200
            return len(await answer.read())
        async with session.get(answer.headers["Location"]) as redirected:
            assert redirected.status == 200
            return len(await redirected.read())


@pytest.mark.parametrize("cql2", ["honoured", "ignored", 400, 403, 422])
async def test_every_asset_of_every_tile_is_found_and_fetched(cql2: object) -> None:
    played = scenario(archive={"cql2": cql2, "nine_digits": True, "empty_last": True, "page_max": 5})
    async with playing(played) as play:
        found = await play.read(play.stac)
        assert len({scene_id for scene_id, _ in found}) == 12
        assert len(found) == 12 * 7
        for key in [key for key in found if key[0] == next(iter(found))[0]]:
            offer = await play.stac.offer(play.order, play.delivery(key))
            assert await fetched(offer) > 0
            assert offer.fingerprint == found[key]
            assert bool(offer.headers) is (key[1] not in {"preview", "thumbnail"})


@pytest.mark.parametrize(
    "assets", [{"answer": "redirect"}, {"href": "https_alternate"}, {"href": "s3_alternate"}]
)
async def test_every_kind_of_link_is_followed(assets: Mapping[str, object]) -> None:
    played = scenario(tiles={"count": 1}, assets={**assets, "checksum": True, "file_size": True})
    async with playing(played) as play:
        for archive in (play.stac, play.deliverables):
            for key in await play.read(archive):
                offer = await archive.offer(play.order, play.delivery(key))
                assert await fetched(offer) == offer.size
                assert offer.checksum


async def test_an_offer_whose_headers_are_refused_is_followed_by_one_with_others() -> None:
    async with playing(scenario(tiles={"count": 1})) as play:
        for archive in (play.stac, play.deliverables):
            key = next(key for key in await play.read(archive) if key[1] == "visual")
            refused = await archive.offer(play.order, play.delivery(key))
            refused.on_refused()
            renewed = await archive.offer(play.order, play.delivery(key))
            assert renewed.headers.keys() == refused.headers.keys()
            assert renewed.headers != refused.headers
            play.desk.at += REJECT_PAUSE_SECONDS


async def test_assets_of_a_bucket_alone_are_not_offered() -> None:
    async with playing(scenario(tiles={"count": 1}, assets={"href": "s3"})) as play:
        assert {name for _, name in await play.read(play.stac)} == {"preview", "thumbnail"}
        assert await play.read(play.deliverables) == {}


async def test_a_new_run_moves_all_fingerprints_and_a_new_version_stands_beside() -> None:
    played = scenario(tiles={"count": 2, "remade": [100], "newer": [200]})
    async with playing(played) as play:
        first = await play.read(play.stac)
        play.hand[0] = 150.0
        second = await play.read(play.stac)
        assert second.keys() == first.keys()
        assert not set(second.values()) & set(first.values())
        play.hand[0] = 250.0
        third = await play.read(play.stac)
        assert third.items() > second.items()
        assert len(third) == 2 * len(second)


async def test_tiles_that_come_later_are_found_later() -> None:
    played = scenario(tiles={"count": 3, "interval": 60, "collections": {"l1d-sr": 5, "l1d": 3600}})
    async with playing(played) as play:
        assert len(await play.read(play.stac)) == 7
        play.hand[0] = 130.0
        assert len(await play.read(play.stac)) == 3 * 7
        play.hand[0] = 4000.0
        assert len(await play.read(play.stac)) == 6 * 7


async def test_a_token_that_repeats_is_an_error() -> None:
    async with playing(scenario(archive={"repeat_token": True, "page_max": 5})) as play:
        with pytest.raises(AnswerError, match="repeats"):
            await play.read(play.stac)


async def test_another_contract_is_an_error_and_no_empty_list() -> None:
    for contract_id in ("cont.unknown", None):
        async with playing(scenario(), contract_id=contract_id) as play:
            for archive in (play.stac, play.deliverables):
                with pytest.raises(RefusedError):
                    await play.read(archive)


async def test_an_archive_that_is_gone_is_missing() -> None:
    async with playing(scenario(gone=["archive", "v2"])) as play:
        for archive in (play.stac, play.deliverables):
            with pytest.raises(MissingError):
                await play.read(archive)


async def test_the_old_address_of_the_archive_works_too() -> None:
    async with playing(scenario(), search="/archive/stac/search") as play:
        assert len(await play.read(play.stac)) == 12 * 7


async def test_deliverables_are_fetched_and_a_new_run_moves_their_fingerprints() -> None:
    played = scenario(tiles={"count": 1})
    row = {"remade": [100], "assets": ["visual", "delivery_zip", "analytics_vessels"], "size": 1000}
    order = played.orders[0].model_dump()
    order["captures"][0]["deliverables"] = [row]
    async with playing(Scenario.model_validate({"orders": [order]})) as play:
        first = await play.read(play.deliverables)
        assert [name for _, name in first] == row["assets"]
        for key in first:
            assert await fetched(await play.deliverables.offer(play.order, play.delivery(key))) > 0
        play.hand[0] = 150.0
        play.deliverables._read.clear()
        second = await play.read(play.deliverables)
        assert second.keys() == first.keys()
        assert not set(second.values()) & set(first.values())
