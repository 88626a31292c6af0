import asyncio
import hashlib
import io
import zipfile
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from orderwatch.simulator import Scenario, Simulator
from orderwatch.simulator.faults import Fault, Kind, Match
from orderwatch.simulator.journal import CREDENTIALS
from orderwatch.simulator.scenario import Capture, Downloads, Order, Scene
from orderwatch.simulator.serving import parse_range

Start = Callable[[Scenario], Awaitable[Simulator]]
Http = aiohttp.ClientSession

SIZE = 700_000
SCENE = Scene(scene_id="20210714_074044_SN15_L1", size=SIZE, republished=(50.0,))
ORDER = Order(task_id=7, captures=(Capture(status=((0, "published"),), scenes=(SCENE,)),))


def scenario(*faults: Fault, **downloads: Any) -> Scenario:  # noqa: ANN401 - the switches as they are
    return Scenario(orders=(ORDER,), link_life=100, downloads=Downloads(**downloads), faults=faults)


def url(simulator: Simulator, name: str = "delivery_zip") -> str:
    (place,) = simulator.world.places(simulator.seconds())
    attachments = simulator.world.scene(place, simulator.seconds(), simulator.sign)["attachments"]
    return next(str(attachment["url"]) for attachment in attachments if attachment["name"] == name)


async def truth(simulator: Simulator) -> dict[str, Any]:
    return {document["attachment"]: document for document in await simulator.truth()}


def whole(simulator: Simulator) -> bytes:
    (place,) = simulator.world.places(simulator.seconds())
    return simulator.content(place, "delivery_zip").read(0, SIZE)


async def test_what_is_downloaded_is_what_the_truth_says(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    for name, expected in (await truth(simulator)).items():
        async with http.get(url(simulator, name)) as answer:
            data = await answer.read()
            assert answer.headers["Accept-Ranges"] == "bytes"
        assert (len(data), hashlib.sha256(data).hexdigest()) == (expected["size"], expected["sha256"])
        assert expected["file_name"] in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("scenic", [False, True])
async def test_attachments_are_what_they_are_called(start: Start, http: Http, *, scenic: bool) -> None:
    simulator = await start(scenario().model_copy(update={"scenic": scenic}))
    beginnings = {
        "delivery_zip": b"PK\3\4",
        "footprint": b"<?xml",
        "thumbnail": b"\x89PNG",
        "preview": b"\x89PNG",
    }
    for document in await simulator.truth():
        name = document["attachment"]
        async with http.get(url(simulator, name)) as answer:
            data = await answer.read()
        assert data.startswith(beginnings[name])
        if name == "delivery_zip":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                assert archive.testzip() is None


async def test_the_truth_is_also_told_over_http(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    async with http.get(f"{simulator.api_url}/_sim/truth") as answer:
        assert await answer.json() == await simulator.truth()
    (document, *_) = await simulator.truth()
    assert document["scene_id"] == SCENE.scene_id
    assert document["file_name"] == "20210714_074044_SN15_L1_MS_7.zip"


async def test_a_link_expires_and_a_new_one_gives_the_same_file(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(scenario())
    old = url(simulator)
    hand[0] = 40
    new = url(simulator)
    async with http.get(old) as answer:
        before = await answer.read()
    hand[0] = 139
    async with http.get(old) as answer:
        assert answer.status == 403
    hand[0] = 45
    async with http.get(new) as answer:
        assert await answer.read() == before


async def test_a_token_opens_its_own_attachment_only(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    for wrong in (
        url(simulator).replace("delivery_zip", "footprint"),
        url(simulator).replace("SN15", "SN16"),
        url(simulator).partition("?")[0],
    ):
        async with http.get(wrong) as answer:
            assert answer.status == 403


@pytest.mark.parametrize("name", CREDENTIALS)
async def test_credentials_at_the_download_host_are_refused_and_counted(
    start: Start, http: Http, name: str
) -> None:
    simulator = await start(scenario())
    async with http.get(url(simulator), headers={name: "canary-secret"}) as answer:
        assert answer.status == 400
    (leak,) = simulator.journal.leaks
    assert leak.leaked == (name,)
    async with http.get(f"{simulator.api_url}/_sim/journal") as answer:
        assert "canary-secret" not in await answer.text()


async def test_a_republished_scene_has_other_bytes_and_another_etag(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(scenario())
    link, answers = url(simulator), []
    for at in (0, 50):
        hand[0] = at
        async with http.get(link) as answer:
            answers.append((await answer.read(), answer.headers["ETag"], answer.headers["Last-Modified"]))
    before, after = answers
    assert len(before[0]) == len(after[0])
    assert not set(before) & set(after)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, SIZE - 1),
        ("bytes=1000-1999", 1000, 1999),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        ("bytes=699999-", SIZE - 1, SIZE - 1),
        ("bytes=5-9999999", 5, SIZE - 1),
    ],
)
async def test_a_single_range_is_served(start: Start, http: Http, asked: str, first: int, last: int) -> None:
    simulator = await start(scenario())
    async with http.get(url(simulator), headers={"Range": asked}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes {first}-{last}/{SIZE}")
        assert await answer.read() == whole(simulator)[first : last + 1]
    assert [entry.range for entry in simulator.journal] == [asked]


async def test_a_range_beyond_the_end_answers_416_with_the_size(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    async with http.get(url(simulator), headers={"Range": f"bytes={SIZE}-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize("header", ["", "bytes=-", "bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b"])
def test_ranges_that_mean_nothing_are_ignored(header: str) -> None:
    assert parse_range(header, 100) is None


def test_an_empty_suffix_cannot_be_satisfied() -> None:
    assert parse_range("bytes=-0", 100) == range(100, 100)


async def test_if_range_gives_the_rest_of_the_same_file_and_else_the_whole(
    start: Start, http: Http, hand: list[float]
) -> None:
    simulator = await start(scenario())
    link = url(simulator)
    async with http.head(link) as answer:
        validators = [answer.headers["ETag"], answer.headers["Last-Modified"]]

    async def statuses() -> list[int]:
        found = []
        for validator in (*validators, f"W/{validators[0]}"):
            async with http.get(link, headers={"Range": "bytes=9-", "If-Range": validator}) as answer:
                found.append(answer.status)
        return found

    assert await statuses() == [206, 206, 200]
    hand[0] = 50
    assert await statuses() == [200, 200, 200]


async def test_head_tells_the_length_and_sends_nothing(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    async with http.head(url(simulator), headers={"Range": "bytes=5-"}) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
    assert [entry.sent for entry in simulator.journal] == [0]


async def test_the_journal_knows_the_bytes_sent(start: Start, http: Http) -> None:
    simulator = await start(scenario())
    async with http.get(url(simulator), headers={"Range": "bytes=100-"}) as answer:
        await answer.read()
    (entry,) = simulator.journal.find(listener="download")
    assert (entry.status, entry.sent) == (206, SIZE - 100)
    assert "token" not in entry.path


async def test_nothing_needs_to_be_promised(start: Start, http: Http) -> None:
    simulator = await start(scenario(etag=False, last_modified=False, ranges=False, length=False))
    async with http.get(url(simulator), headers={"Range": "bytes=5-"}) as answer:
        assert answer.status == 200
        assert not {"ETag", "Last-Modified", "Accept-Ranges", "Content-Length"} & set(answer.headers)
        assert await answer.read() == whole(simulator)


async def test_a_link_may_redirect_to_storage_which_refuses_credentials_too(start: Start, http: Http) -> None:
    simulator = await start(scenario(redirect=True))
    async with http.get(url(simulator), allow_redirects=False) as answer:
        assert answer.status == 302
        location = answer.headers["Location"]
    async with http.get(location) as answer:
        assert await answer.read() == whole(simulator)
    async with http.get(location, headers={"authorizationToken": "Bearer x"}) as answer:
        assert answer.status == 400


async def test_a_limited_rate_still_gives_every_byte(start: Start, http: Http) -> None:
    simulator = await start(scenario(rate="20 MB"))
    async with http.get(url(simulator)) as answer:
        assert await answer.read() == whole(simulator)


async def part(http: Http, link: str, **request: Any) -> bytes:  # noqa: ANN401 - what aiohttp takes
    """What arrives until the connection fails, which it must."""
    data = bytearray()

    async def receive() -> None:
        async with http.get(link, **request) as answer:
            async for piece in answer.content.iter_any():
                data.extend(piece)

    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        await receive()
    return bytes(data)


@pytest.mark.parametrize(("at", "length"), [(0.5, SIZE // 2), (1000, 1000), (0, 0), (None, SIZE // 2)])
async def test_a_cut_ends_the_body_where_it_was_asked_to(
    start: Start, http: Http, at: float | None, length: int
) -> None:
    simulator = await start(scenario(Fault(on="download", kind="cut", at=at)))
    assert await part(http, url(simulator)) == whole(simulator)[:length]
    async with http.get(url(simulator), headers={"Range": f"bytes={length}-"}) as answer:
        assert await answer.read() == whole(simulator)[length:]


async def test_repeated_cuts_still_let_a_resuming_client_come_closer(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="cut", times=0)))
    data = b""
    for _ in range(5):
        data += await part(http, url(simulator), headers={"Range": f"bytes={len(data)}-"})
    assert data == whole(simulator)[: len(data)]
    assert len(data) > SIZE * 0.9


async def test_a_cut_without_a_length_is_a_broken_chunk(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="cut", at=5000), length=False))
    assert await part(http, url(simulator)) == whole(simulator)[:5000]


@pytest.mark.parametrize("at", [None, 0.5])
async def test_a_reset_breaks_the_connection(start: Start, http: Http, at: float | None) -> None:
    # Always, since aiohttp itself asks again when a connection breaks before an answer.
    simulator = await start(scenario(Fault(on="download", kind="reset", at=at, times=0)))
    data = await part(http, url(simulator))
    assert whole(simulator).startswith(data)
    assert len(data) <= SIZE // 2
    assert {entry.status for entry in simulator.journal} == {None if at is None else 200}


async def test_a_stall_keeps_the_connection_and_sends_nothing(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="stall", at=0.25, seconds=600)))
    data = await part(http, url(simulator), timeout=aiohttp.ClientTimeout(sock_read=0.3))
    assert data == whole(simulator)[: SIZE // 4]


async def test_a_stall_that_ends_goes_on_with_the_rest(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="stall", seconds=0.01)))
    async with http.get(url(simulator)) as answer:
        assert await answer.read() == whole(simulator)


async def test_dripping_sends_single_bytes(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="drip", seconds=600)))
    data = await part(http, url(simulator), timeout=aiohttp.ClientTimeout(sock_read=0.3))
    assert data == whole(simulator)[:1]


@pytest.mark.parametrize("at", [0, 0.5, 262_140, 1.0])
async def test_corruption_flips_bytes_and_keeps_the_length(start: Start, http: Http, at: float) -> None:
    simulator = await start(scenario(Fault(on="download", kind="corrupt", at=at)))
    async with http.get(url(simulator)) as answer:
        data = await answer.read()
    wrong = [number for number, (a, b) in enumerate(zip(data, whole(simulator), strict=True)) if a != b]
    assert len(wrong) == 16
    assert all(later == earlier + 1 for earlier, later in pairwise(wrong))


async def test_a_wrong_range_begins_elsewhere_and_says_so(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="wrong_range")))
    async with http.get(url(simulator), headers={"Range": "bytes=1000-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 500-{SIZE - 1}/{SIZE}")
        assert await answer.read() == whole(simulator)[500:]


async def test_an_ignored_range_gives_the_whole_with_200(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="ignore_range")))
    async with http.get(url(simulator)) as answer:
        assert answer.status == 200
    async with http.get(url(simulator), headers={"Range": "bytes=1000-"}) as answer:
        assert answer.status == 200
        assert await answer.read() == whole(simulator)
    async with http.get(url(simulator), headers={"Range": "bytes=1000-"}) as answer:
        assert answer.status == 206


async def test_a_wrong_total_is_told_of_the_right_range(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="wrong_total")))
    async with http.get(url(simulator), headers={"Range": "bytes=1000-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 1000-{SIZE - 1}/{SIZE}0")
        assert await answer.read() == whole(simulator)[1000:]


async def test_a_range_that_is_there_may_be_refused(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="refuse_range")))
    async with http.get(url(simulator)) as answer:
        assert answer.status == 200
    async with http.get(url(simulator), headers={"Range": "bytes=1000-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


async def test_an_etag_that_is_new_each_time_grants_no_range(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="new_etag", times=0)))
    async with http.get(url(simulator)) as first:
        etag = first.headers["ETag"]
    async with http.get(url(simulator), headers={"Range": "bytes=1000-", "If-Range": etag}) as answer:
        assert answer.status == 200
        assert answer.headers["ETag"] != etag
        assert await answer.read() == whole(simulator)
    async with http.get(url(simulator), headers={"Range": "bytes=1000-"}) as answer:
        assert answer.status == 206


@pytest.mark.parametrize(("kind", "status"), [("html", 200), ("status", 503), ("expire", 403)])
async def test_something_else_may_come_instead_of_the_file(
    start: Start, http: Http, kind: Kind, status: int
) -> None:
    fault = Fault(on="download", kind=kind, match=Match(scene_id=SCENE.scene_id, attachment="delivery_zip"))
    simulator = await start(scenario(fault))
    async with http.get(url(simulator, "footprint")) as answer:
        assert answer.content_type == "application/vnd.google-earth.kml+xml"
    async with http.get(url(simulator)) as answer:
        assert answer.status == status
        assert answer.content_type == ("text/html" if kind == "html" else answer.content_type)
    async with http.get(url(simulator)) as answer:
        assert answer.status == 200


# Several hosts, and what each takes


async def test_a_scene_is_on_the_host_that_the_scenario_says_and_faults_hit_that_one(
    start: Start, http: Http
) -> None:
    scenes = tuple(Scene(scene_id=f"S{number}", size=5000, host=number) for number in range(2))
    order = Order(task_id=7, captures=(Capture(status=((0, "published"),), scenes=scenes),))
    fault = Fault(on="download", kind="status", code=500, match=Match(host=1), times=0)
    simulator = await start(Scenario(orders=(order,), downloads=Downloads(hosts=2), faults=(fault,)))
    found = {}
    for place in simulator.world.places(0):
        document = simulator.world.scene(place, 0, simulator.sign)
        link = next(str(each["url"]) for each in document["attachments"] if each["name"] == "delivery_zip")
        async with http.get(link) as answer:
            found[place.scene.scene_id] = (answer.url.port, answer.status)
    assert [status for _, status in found.values()] == [200, 500]
    assert len({port for port, _ in found.values()}) == 2
    with pytest.raises(ValueError, match="1 download hosts"):
        Scenario(orders=(order,))


async def test_a_host_serves_no_more_connections_than_it_takes(start: Start, http: Http) -> None:
    slow = Fault(on="download", kind="stall", seconds=600)
    simulator = await start(scenario(slow, connections=1, refusal=429, retry_after=7))
    async with http.get(url(simulator)) as first:
        assert first.status == 200
        async with http.get(url(simulator)) as second:
            assert (second.status, second.headers["Retry-After"]) == (429, "7")
        first.close()
    while simulator.connections[0]:
        await asyncio.sleep(0.001)
    async with http.get(url(simulator)) as third:
        assert third.status == 200


async def test_a_file_may_not_be_ready_yet(start: Start, http: Http) -> None:
    simulator = await start(scenario(Fault(on="download", kind="status", code=202)))
    async with http.get(url(simulator)) as answer:
        assert answer.status == 202
