"""The time of day by the provider's clock."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from tests.simulator.simulator_kit import TASKS, Http, Start, get, headers, token

from orderwatch.simulator import Scenario, serve
from orderwatch.simulator.faults import Fault
from orderwatch.simulator.scenario import Capture, Order, Scene

EPOCH = datetime(2026, 7, 14, 7, 40, 41, tzinfo=UTC)
ORDER = Order(task_id=7, captures=(Capture(status=((0, "published"),), scenes=(Scene(size=5000),)),))
SCENES = "/telluric/scenes/"


async def date(http: Http, url: str, headers: dict[str, str], method: str = "GET") -> tuple[int, datetime]:
    async with http.request(method, url, headers=headers) as answer:
        return answer.status, parsedate_to_datetime(answer.headers["Date"])


@pytest.mark.parametrize("ahead", [0.0, 7200.0, -90.5])
async def test_every_answer_is_dated_by_the_providers_clock(
    start: Start, http: Http, hand: list[float], ahead: float
) -> None:
    fault = Fault(on="captures", kind="status")
    simulator = await start(Scenario(orders=(ORDER,), clock_ahead=ahead, faults=(fault,)))
    good = await headers(http, simulator)
    hand[0] = 60
    expected = (EPOCH + timedelta(seconds=60 + ahead)).replace(microsecond=0)
    api = simulator.api_url
    assert await date(http, api + TASKS, good) == (200, expected)
    assert await date(http, api + TASKS, {}) == (401, expected)
    assert await date(http, f"{api}/tasking/tasks/9", good) == (404, expected)
    assert await date(http, f"{api}/nowhere", good) == (404, expected)
    assert await date(http, f"{api}/tasking/tasks/7/captures/", good) == (503, expected)
    assert await date(http, simulator.token_url, {}, "POST") == (400, expected)
    assert await date(http, f"{simulator.download_url}/storage/S/preview", {}) == (403, expected)
    simulator.outage = True
    assert await date(http, api + TASKS, good) == (503, expected)


async def test_a_lie_and_a_token_are_dated_too(start: Start, http: Http) -> None:
    simulator = await start(Scenario(clock_ahead=60, faults=(Fault(on="tasks", kind="doubled"),)))
    good = await headers(http, simulator)
    assert await date(http, simulator.api_url + TASKS, good) == (200, EPOCH + timedelta(seconds=60))
    body = {"client_id": "sim-client", "client_secret": "sim-secret", "grant_type": "client_credentials"}
    async with http.post(simulator.token_url, json=body | {"audience": "api"}) as answer:
        assert (answer.status, answer.headers["Date"]) == (200, "Tue, 14 Jul 2026 07:41:41 GMT")


async def test_a_clock_that_is_ahead_moves_every_time_that_is_shown(start: Start, http: Http) -> None:
    simulator = await start(Scenario(orders=(ORDER,), clock_ahead=3600, speed=10))
    good = await headers(http, simulator)
    _, task = await get(http, simulator, "/tasking/tasks/7", good)
    assert (task["created_time"], task["start"]) == ("2026-07-14T08:40:41Z", "2026-07-14T08:40:41Z")
    _, page = await get(http, simulator, SCENES, good)
    assert page["results"][0]["last_modified"] == "2026-07-14T08:40:41Z"
    assert (await simulator.truth())[0]["last_modified"] == "2026-07-14T08:40:41Z"
    bearer = {"Authorization": f"Bearer {(await token(http, simulator, 'api'))['access_token']}"}
    _, contracts = await get(http, simulator, "/v2/my/contracts", bearer)
    assert contracts["results"][0]["created_at"] == "2026-07-14T08:40:41.000000"
    url = next(a["url"] for a in page["results"][0]["attachments"] if a["name"] == "delivery_zip")
    async with http.get(url) as answer:
        assert answer.headers["Last-Modified"] == answer.headers["Date"] == "Tue, 14 Jul 2026 08:40:41 GMT"


async def test_a_clock_begun_anew_is_still_ahead(start: Start, hand: list[float]) -> None:
    simulator = await start(Scenario(clock_ahead=30))
    hand[0] = 5
    simulator.restart_clock()
    assert simulator.world.moment(0) == simulator.now() == EPOCH + timedelta(seconds=35)


async def test_without_a_clock_of_the_tests_the_date_is_that_of_the_host(http: Http) -> None:
    async with serve(Scenario()) as simulator:
        _, shown = await date(http, simulator.api_url + TASKS, {})
    assert abs(datetime.now(UTC) - shown) < timedelta(minutes=1)
