"""Searches in the archive: what they find, page by page."""

from typing import Any

import pystac
import pytest
from tests.simulator.simulator_kit import Http, Start, get, headers
from tests.simulator.v2_kit import CAPTURE, ORDER, OUTCOME, SEARCH, post, with_capture

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.archive.settings import ASSETS, Archive, TileSet
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.orders import Capture, Order
from orderwatch.simulator.scenario import Account, Contract

OTHER = "cont.00000000-0000-0000-0000-000000000002"
HERE: dict[str, Any] = {"type": "Point", "coordinates": [4.0333, 51.9555]}


def by_outcome(outcome: str) -> dict[str, Any]:
    return {
        "filter-lang": "cql2-json",
        "filter": {"op": "=", "args": [{"property": "satl:outcome_id"}, outcome]},
    }


async def found(
    http: Http, simulator: Simulator, body: dict[str, Any], path: str = SEARCH
) -> list[dict[str, Any]]:
    """Return the items of a search, of every page."""
    good, items, follows = await headers(http, simulator), [], {"limit": 500} | body
    while True:
        status, page = await post(http, simulator, path, follows, good)
        assert status == 200
        items += page["features"]
        link = next((link for link in page["links"] if link["rel"] == "next"), None)
        if link is None:
            return items
        assert (link["method"], link["href"]) == ("POST", simulator.api_url + path)
        follows = link["body"]


async def status_of(http: Http, simulator: Simulator, body: object) -> int:
    return (await post(http, simulator, SEARCH, body, await headers(http, simulator)))[0]


async def test_an_item_has_the_fields_that_were_recorded(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(with_capture(tiles=TileSet()))
    hand[0] = 2
    (item,) = await found(http, simulator, {})
    assert item["id"] == "20260528_001320_034_SN15_L1D_SR_MS_31N_568_5756_2_0_1"
    assert item["properties"]["grid:code"] == "SATL-4KM-31N_568_5756"
    assert item["properties"]["datetime"] == "2026-07-14T07:40:42.000000+00:00"
    assert item["properties"]["satl:outcome_id"] == OUTCOME
    assert item["properties"]["satl:last_modified"] == "2026-07-14T07:40:43.000000+00:00"
    assert tuple(item["assets"]) == ASSETS
    west, south, east, north = item["bbox"]
    assert west < 4.0333 < east
    assert south < 51.9555 < north
    assert pystac.Item.from_dict(item).id == item["id"]


@pytest.mark.parametrize("path", [SEARCH, "/archive/stac/search"])
async def test_both_searches_find_a_capture_by_its_outcome(
    start: Start, http: Http, hand: list[float], path: str
) -> None:
    other = Capture(status=((0, "published"),), tiles=TileSet(count=3))
    tiles = CAPTURE.model_copy(update={"tiles": TileSet(count=120)})
    simulator = await start(Scenario(orders=(ORDER.model_copy(update={"captures": (tiles, other)}),)))
    hand[0] = 2
    items = await found(http, simulator, by_outcome(OUTCOME) | {"limit": 50}, path)
    assert len({item["id"] for item in items}) == len(items) == 120
    assert {item["properties"]["satl:outcome_id"] for item in items} == {OUTCOME}
    assert len(await found(http, simulator, {"collections": ["l1d-sr"]})) == 123


async def test_items_are_found_by_place_time_and_id(start: Start, http: Http, hand: list[float]) -> None:
    far = Order(
        task_id=8,
        target={"type": "Point", "coordinates": [-68.2, -34.6]},
        captures=(Capture(start=86_400.0, status=((0, "published"),), tiles=TileSet(grid_km=2)),),
    )
    simulator = await start(Scenario(orders=(ORDER, far)))
    hand[0] = 2
    (near,) = await found(http, simulator, {"intersects": HERE})
    (south,) = await found(http, simulator, {"bbox": [-69, -35, -68, -34]})
    assert near["properties"]["grid:code"].startswith("SATL-4KM-31N_")
    assert south["properties"]["grid:code"].startswith("SATL-2KM-19S_")
    for interval, item in {
        "2026-07-14T00:00:00Z/2026-07-14T23:59:59Z": near,
        "2026-07-15T00:00:00+00:00/2026-07-15T23:59:59.999Z": south,
        "2026-07-15T00:00:00Z/..": south,
    }.items():
        assert [one["id"] for one in await found(http, simulator, {"datetime": interval})] == [item["id"]]
    ids = {"ids": [near["id"], "unknown"]}
    assert [one["id"] for one in await found(http, simulator, ids)] == [near["id"]]
    nothing_found: tuple[dict[str, Any], ...] = (
        {"collections": ["l0"]},
        {"ids": []},
        {"datetime": "2025-01-01T00:00:00Z"},
    )
    for nothing in nothing_found:
        assert await found(http, simulator, nothing) == []


async def test_tiles_appear_one_by_one_in_each_collection(
    start: Start, http: Http, hand: list[float]
) -> None:
    tiles = TileSet(count=3, interval=10, collections={"quickview-visual": 0, "l1d-sr": 100})
    simulator = await start(with_capture(tiles=tiles))
    counts = []
    for hand[0] in (1, 2, 12, 22, 101, 102, 122):
        items = await found(http, simulator, {})
        counts.append(tuple(sum(i["collection"] == name for i in items) for name in tiles.collections))
    assert counts == [(0, 0), (1, 0), (2, 0), (3, 0), (3, 0), (3, 1), (3, 3)]


async def test_a_new_run_moves_date_and_transaction_at_an_equal_id(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(Scenario(orders=(ORDER,)))
    runs = []
    for hand[0] in (2, 50):
        (item,) = await found(http, simulator, {})
        properties = item["properties"]
        runs.append((item["id"], properties["satl:last_modified"], properties["satl:transaction_id"]))
    assert runs[0][0] == runs[1][0]
    assert runs[0][1] < runs[1][1]
    assert runs[0][2] != runs[1][2]


async def test_a_newer_version_appears_beside_the_old_one(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(with_capture(tiles=TileSet(newer=(20.0,))))
    hand[0] = 20
    items = await found(http, simulator, {})
    versions = {item["properties"]["satl:product_version"]: item["id"] for item in items}
    assert sorted(versions) == ["2.0.1", "2.0.2"]
    assert versions["2.0.2"].endswith("_2_0_2")


async def test_times_may_have_nine_digits(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(Scenario(orders=(ORDER,), archive=Archive(nine_digits=True)))
    hand[0] = 2
    (item,) = await found(http, simulator, {})
    assert item["properties"]["satl:last_modified"] == "2026-07-14T07:40:43.000000123+00:00"


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_a_filter_may_be_refused(start: Start, http: Http, status: int) -> None:
    simulator = await start(Scenario(archive=Archive.model_validate({"cql2": status})))
    assert await status_of(http, simulator, by_outcome(OUTCOME)) == status


async def test_a_filter_may_be_ignored(start: Start, http: Http, hand: list[float]) -> None:
    simulator = await start(Scenario(orders=(ORDER,), archive=Archive(cql2="ignored")))
    hand[0] = 2
    assert len(await found(http, simulator, by_outcome("another"))) == 1


async def test_a_page_may_lead_to_itself(start: Start, http: Http, hand: list[float]) -> None:
    scenario = with_capture(tiles=TileSet(count=20))
    simulator = await start(scenario.model_copy(update={"archive": Archive(repeat_token=True)}))
    hand[0] = 2
    good = await headers(http, simulator)
    _, first = await post(http, simulator, SEARCH, {}, good)
    _, second = await post(http, simulator, SEARCH, first["links"][1]["body"], good)
    assert len(first["features"]) == 10
    assert (first["features"], first["links"]) == (second["features"], second["links"])


async def test_the_last_page_may_be_empty(start: Start, http: Http, hand: list[float]) -> None:
    scenario = with_capture(tiles=TileSet(count=20))
    simulator = await start(scenario.model_copy(update={"archive": Archive(empty_last=True)}))
    hand[0] = 2
    assert len(await found(http, simulator, {"limit": 10})) == 20
    assert simulator.journal.count(path=SEARCH) == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": {"satl:outcome_id": {"eq": OUTCOME}}}, 403),
        ({"datetime": "2026-07-14/2026-07-15"}, 400),
        ({"datetime": "2026-07-15T00:00:00Z/2026-07-14T00:00:00Z"}, 400),
        ({"limit": 0}, 400),
        ({"token": "x"}, 400),
        ({"intersects": {"type": "Point"}}, 400),
        ({"filter": {"op": "like", "args": []}}, 400),
        ([], 400),
    ],
)
async def test_what_makes_no_sense_is_refused(start: Start, http: Http, body: object, status: int) -> None:
    assert await status_of(http, await start(Scenario()), body) == status


async def test_an_unusable_contract_is_an_error_and_another_sees_other_items(
    start: Start, http: Http, hand: list[float]
) -> None:
    account = Account(contracts=(Contract(), Contract(contract_id=OTHER)))
    simulator = await start(Scenario(accounts=(account,), orders=(ORDER,)))
    hand[0] = 2
    for contract, expected in {
        "cont.wrong": (401, 0),
        OTHER: (200, 0),
        Contract().contract_id: (200, 1),
    }.items():
        good = await headers(http, simulator, contract)
        status, page = await post(http, simulator, SEARCH, {}, good)
        assert (status, len(page.get("features", []))) == expected
    assert (await get(http, simulator, "/archive/stac/collections", {}))[0] == 401


async def test_the_collections_are_listed(start: Start, http: Http) -> None:
    simulator = await start(Scenario())
    good = await headers(http, simulator)
    _, listed = await get(http, simulator, "/archive/stac/collections", good)
    assert "l1d-sr" in [collection["id"] for collection in listed["collections"]]


async def test_faults_hit_searches(start: Start, http: Http) -> None:
    simulator = await start(Scenario(faults=(Fault(on="search", kind="status", code=429),)))
    assert [await status_of(http, simulator, {}) for _ in range(2)] == [429, 200]
