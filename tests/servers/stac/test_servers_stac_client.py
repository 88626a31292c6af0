"""A client of others reads the simulated archive: pystac-client finds every item, page by page."""

import asyncio
import json
import subprocess
from pathlib import Path

import aiohttp
import pytest
from tests.servers.stac.library import NEIGHBOUR, OUTCOME, TILES, a_capture, a_scenario
from tests.simulator.simulator_kit import headers

from orderwatch.simulator import serve

pytestmark = pytest.mark.long

SEARCH = """
import json, sys
from pystac_client import ItemSearch
from pystac_client.stac_api_io import StacApiIO

url, headers, outcome = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
condition = {"op": "=", "args": [{"property": "satl:outcome_id"}, outcome]}
api = StacApiIO(headers=headers)
search = ItemSearch(url, stac_io=api, filter=condition, filter_lang="cql2-json", limit=50)
print(json.dumps([(item.id, sorted(item.assets)) for item in search.items()]))
"""


@pytest.mark.parametrize("path", ["/archive/stac/search", "/v2/archive/search"])
async def test_pystac_client_finds_the_items_of_the_simulated_archive(programs: Path, path: str) -> None:
    played = a_scenario(a_capture(OUTCOME, TILES), a_capture(NEIGHBOUR, 3))
    async with serve(played) as simulator, aiohttp.ClientSession() as http:
        allowed = json.dumps(await headers(http, simulator))
        command = (programs / "python", "-c", SEARCH, f"{simulator.api_url}{path}", allowed, OUTCOME)
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        expected = [tile for tile in simulator.index.tiles.values() if tile.capture.capture_id == OUTCOME]
    assert sorted(item_id for item_id, _ in found) == sorted(tile.item_id for tile in expected)
    assert all(assets == sorted(expected[0].tile_set.assets) for _, assets in found)
