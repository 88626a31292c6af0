"""A STAC server of others: however it is set up, the adapter finds the scenes that were published."""

import pytest
from structlog.testing import capture_logs
from tests.provider.stac.stac_kit import a_capture, an_order
from tests.servers.stac.library import (
    ASSETS,
    NEIGHBOUR,
    NEIGHBOURS,
    OUTCOME,
    TAKEN,
    TARGET,
    TILES,
    Library,
    by_id,
    reading,
)
from tests.servers.stac.pgstac import Options

from orderwatch.core.model import Order

pytestmark = pytest.mark.long

PLAIN = Options()
PATH = "/archive/stac"
HONOURED = {
    "plain": PLAIN,
    "behind a gateway that removes its path": Options(environment={"ROOT_PATH": PATH}),
    "below a path": Options(environment={"PREFIX_PATH": PATH}, search=f"{PATH}/search"),
    "completing items itself": Options(environment={"USE_API_HYDRATE": "TRUE"}),
    "counting matches": Options(environment={"SERVER_SETTINGS": '{"pgstac.context": "on"}'}),
    "of 50 items a page": Options(max_items=50),
    "of one item more than two pages": Options(max_items=TILES // 2 - 1),
    "of one full page": Options(max_items=TILES),
}
UNFILTERED = {
    "without filters, which it ignores": Options(environment={"ENABLED_EXTENSIONS": "pagination"}),
    "that fails at properties it does not know": Options(
        environment={"SERVER_SETTINGS": '{"pgstac.additional_properties": "false"}'}
    ),
}


def the_order() -> Order:
    return an_order(document={"target": TARGET})


@pytest.mark.parametrize("name", HONOURED)
async def test_the_filter_finds_all_tiles_as_they_were_published(library: Library, name: str) -> None:
    expected, options = library.snapshots(OUTCOME), HONOURED[name]
    async with reading(library, options) as (server, archive):
        scenes = await archive.scenes(the_order(), a_capture(OUTCOME, TAKEN))
        assert by_id(scenes) == expected
        assert len(scenes) == TILES
        assert sum(len(scene.attachments) for scene in scenes) == TILES * ASSETS
        assert server.searches() == -(-TILES // min(options.max_items, 100))
        assert len(await archive.scenes(the_order(), a_capture(NEIGHBOUR, TAKEN))) == NEIGHBOURS


@pytest.mark.parametrize("name", UNFILTERED)
async def test_place_and_time_find_them_where_the_filter_does_not_work(library: Library, name: str) -> None:
    async with reading(library, UNFILTERED[name]) as (_, archive):
        with capture_logs() as logs:
            for outcome in (OUTCOME, NEIGHBOUR):
                scenes = await archive.scenes(the_order(), a_capture(outcome, TAKEN))
                assert by_id(scenes) == library.snapshots(outcome)
    assert [line["event"] for line in logs].count("archive.filter_refused") == 1


async def test_unknown_collections_and_captures_have_no_scenes(library: Library) -> None:
    async with reading(library, PLAIN, ["unknown"]) as (_, archive):
        assert await archive.scenes(the_order(), a_capture(OUTCOME, TAKEN)) == []
    async with reading(library, PLAIN, []) as (_, archive):
        assert len(await archive.scenes(the_order(), a_capture(f"cap.{OUTCOME}", TAKEN))) == TILES
        assert await archive.scenes(the_order(), a_capture("99999999", TAKEN)) == []
