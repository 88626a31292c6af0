"""Asset bytes: at the API with the account, in the bucket without it."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from tests.simulator.simulator_kit import Http, Start, headers
from tests.simulator.v2_kit import SEARCH, bytes_of, post, with_capture

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.archive.settings import TileSet
from orderwatch.simulator.assets.settings import Assets
from orderwatch.simulator.faults import Fault, Match
from orderwatch.simulator.scenario import Account, Contract, Downloads

OTHER = "cont.00000000-0000-0000-0000-000000000002"


def scenario(*faults: Fault, **options: Any) -> Scenario:  # noqa: ANN401 - the options as they are
    return with_capture(status=((0, "published"),), tiles=TileSet(count=2)).model_copy(
        update={"assets": Assets(**options), "faults": faults, "token_life": 1e9}
    )


async def assets_of(http: Http, simulator: Simulator) -> dict[str, Any]:
    """Return the assets of the first item."""
    _, page = await post(http, simulator, SEARCH, {}, await headers(http, simulator))
    assets: dict[str, Any] = page["features"][0]["assets"]
    return assets


async def test_assets_are_what_the_truth_says(start: Start, http: Http) -> None:
    simulator = await start(scenario(checksum=True, file_size=True))
    good = await headers(http, simulator)
    _, page = await post(http, simulator, SEARCH, {}, good)
    assets = {(item["id"], key): asset for item in page["features"] for key, asset in item["assets"].items()}
    truth = await simulator.archive_truth()
    assert len(truth) == len(assets) == 14
    for row in truth:
        asset = assets[row["scene_id"], row["attachment"]]
        credentials = good if asset["href"].startswith(simulator.api_url) else None
        status, data = await bytes_of(http, asset["href"], credentials)
        assert (status, len(data), hashlib.sha256(data).hexdigest()) == (200, row["size"], row["sha256"])
        assert (asset["file:size"], asset["file:checksum"]) == (row["size"], f"1220{row['sha256']}")
        assert row["file_name"] in asset["href"]
    assert simulator.journal.leaks == []


async def test_assets_are_what_they_are_called(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    good = await headers(http, simulator)

    def is_json(data: bytes) -> bool:
        return isinstance(json.loads(data), dict)

    def is_zip(data: bytes) -> bool:
        return zipfile.ZipFile(io.BytesIO(data)).testzip() is None

    checks: dict[str, Callable[[bytes], bool]] = {
        ".tif": lambda data: data.startswith(b"II*\0"),
        ".png": lambda data: data.startswith(b"\x89PNG"),
        ".json": is_json,
        ".zip": is_zip,
    }
    for row in await simulator.archive_truth():
        href = (await assets_of(http, simulator))[row["attachment"]]["href"]
        _, data = await bytes_of(http, href, good if href.startswith(simulator.api_url) else None)
        assert checks[row["file_name"][row["file_name"].rindex(".") :]](data)


async def test_the_api_wants_the_account_and_the_right_contract(start: Start, http: Http) -> None:
    account = Account(contracts=(Contract(), Contract(contract_id=OTHER)))
    simulator = await start(scenario().model_copy(update={"accounts": (account,)}))
    good = await headers(http, simulator)
    href = (await assets_of(http, simulator))["visual"]["href"]
    token = {"authorizationToken": good["authorizationToken"]}
    for credentials, status in (
        (None, 401),
        (token, 401),
        (token | {"X-Satellogic-Contract-Id": "cont.wrong"}, 403),
        (token | {"X-Satellogic-Contract-Id": OTHER}, 403),
        (good, 200),
    ):
        assert (await bytes_of(http, href, credentials))[0] == status
    for wrong in (href.replace("/visual?", "/visuals?"), href.partition("?")[0], href + "x"):
        assert (await bytes_of(http, wrong, good))[0] == 404


async def test_the_api_may_redirect_to_the_bucket_which_refuses_the_account(start: Start, http: Http) -> None:
    simulator = await start(scenario(answer="redirect"))
    good = await headers(http, simulator)
    href = (await assets_of(http, simulator))["visual"]["href"]
    async with http.get(href, headers=good, allow_redirects=False) as answer:
        location = answer.headers["Location"]
    assert location.startswith(f"{simulator.download_url}/bucket/L1D_SR/")
    for name in ("authorizationToken", "Authorization"):
        assert (await bytes_of(http, location, {name: "Bearer x"}))[0] == 400
    assert (await bytes_of(http, location))[0] == 200
    assert [entry.leaked for entry in simulator.journal.leaks] == [
        ("authorizationToken",),
        ("Authorization",),
    ]


async def test_a_signed_link_expires_and_cannot_be_changed(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(scenario(signed_life=60))
    assets = await assets_of(http, simulator)
    href = assets["preview"]["href"]
    assert "X-Amz-Expires=60" in href
    for wrong in (
        href.partition("?")[0],
        href.replace("Expires=60", "Expires=600"),
        href.replace("preview", "thumbnail"),
    ):
        assert (await bytes_of(http, wrong))[0] == 403
    hand[0] = 59
    assert (await bytes_of(http, href))[0] == 200
    hand[0] = 60
    assert (await bytes_of(http, href))[0] == 403


@pytest.mark.parametrize(
    ("href", "main", "other"),
    [
        ("https", "http", None),
        ("https_alternate", "http", "s3"),
        ("s3", "s3", None),
        ("s3_alternate", "s3", "https"),
    ],
)
async def test_links_are_of_either_kind(
    start: Start, http: Http, href: str, main: str, other: str | None
) -> None:
    simulator = await start(scenario(href=href))
    visual = (await assets_of(http, simulator))["visual"]
    assert visual["href"].startswith(f"{main}://")
    assert list(visual.get("alternate", {})) == ([other] if other else [])


async def test_links_may_be_signed_for_nothing(start: Start, http: Http) -> None:
    simulator = await start(scenario(presigned=False))
    assets = await assets_of(http, simulator)
    assert all(asset["href"].startswith(simulator.api_url) for asset in assets.values())


async def test_without_entitlement_only_previews_have_bytes(start: Start, http: Http) -> None:
    simulator = await start(scenario(entitled=False))
    good = await headers(http, simulator)
    assets = await assets_of(http, simulator)
    assert (await bytes_of(http, assets["visual"]["href"], good))[0] == 403
    assert (await bytes_of(http, assets["preview"]["href"]))[0] == 200


async def test_ranges_and_validators_are_those_of_downloads(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    good = await headers(http, simulator)
    href = (await assets_of(http, simulator))["visual"]["href"]
    _, whole = await bytes_of(http, href, good)
    async with http.get(href, headers=good | {"Range": "bytes=100-"}) as answer:
        assert (answer.status, await answer.read()) == (206, whole[100:])
        assert answer.content_type == "image/tiff"
        etag = answer.headers["ETag"]
    async with http.get(href, headers=good | {"If-None-Match": etag}) as answer:
        assert answer.status == 304


async def test_faults_hit_assets_at_the_api_and_in_the_bucket(start: Start, http: Http) -> None:
    simulator = await start(
        scenario(
            Fault(on="asset", kind="status", code=500, match=Match(attachment="visual")),
            Fault(on="asset", kind="corrupt", match=Match(attachment="cloud")),
            Fault(on="asset", kind="expire", match=Match(attachment="analytic")),
            Fault(on="download", kind="expire", match=Match(attachment="preview")),
        )
    )
    good = await headers(http, simulator)
    assets = await assets_of(http, simulator)
    assert [(await bytes_of(http, assets["visual"]["href"], good))[0] for _ in range(2)] == [500, 200]
    corrupt, true = [await bytes_of(http, assets["cloud"]["href"], good) for _ in range(2)]
    assert (corrupt[0], true[0], corrupt[1] == true[1]) == (200, 200, False)
    assert [(await bytes_of(http, assets["preview"]["href"]))[0] for _ in range(2)] == [403, 200]
    assert [(await bytes_of(http, assets["analytic"]["href"], good))[0] for _ in range(2)] == [401, 401]


async def test_what_only_people_see_is_served_as_well(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    for name, rows in {"archive": 14, "deliverables": 4}.items():
        async with http.get(f"{simulator.api_url}/_sim/truth/{name}") as answer:
            assert len(await answer.json()) == rows


async def test_the_bucket_refuses_more_connections_than_its_host_takes(start: Start, http: Http) -> None:
    slow = scenario(Fault(on="download", kind="stall", seconds=60, at=10, match=Match(attachment="preview")))
    downloads = Downloads(connections=1, retry_after=3)
    simulator = await start(slow.model_copy(update={"downloads": downloads}))
    assets = await assets_of(http, simulator)
    async with http.get(assets["preview"]["href"]) as first:
        assert first.status == 200
        async with http.get(assets["thumbnail"]["href"]) as second:
            assert (second.status, second.headers["Retry-After"]) == (429, "3")
