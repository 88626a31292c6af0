"""The daemon against stapi-fastapi: from a new order to stored files, and no request too many."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.stapi_kit import Machine
from tests.servers.processes import NoServerError
from tests.servers.stapi.server import TOKEN, StapiServer, stapi_server

pytestmark = pytest.mark.long

FILES = {"first.geojson": b"[1]", "second.geojson": b"[2]"}
WHOLE = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[StapiServer]:
    assert request.config.cache is not None
    try:
        with stapi_server(request.config.cache.mkdir("servers")) as running:
            yield running
    except NoServerError as error:
        pytest.skip(str(error))


@pytest.fixture
def machine(tmp_path: Path, forks: Path, server: StapiServer) -> Machine:
    return Machine(tmp_path, forks, server.url, TOKEN)


async def test_an_order_is_watched_to_its_files(machine: Machine, server: StapiServer) -> None:
    order_id = server.order()
    machine.configure(f'order_ids = ["{order_id}"]')
    assert (await machine.call("once")).code == 0
    server.change(order_id, "held", "review", "by hand")
    assert (await machine.call("once")).code == 0
    first = server.store("first.geojson", FILES["first.geojson"])
    server.change(order_id, "processing", "partial_delivery", status_links=[first])
    assert (await machine.call("once")).code == 0
    second = server.store("second.geojson", FILES["second.geojson"])
    server.change(order_id, "completed", links=[{**second, "title": "Visual"}])
    ended = await machine.call("once")
    assert ended.code == 0, ended.err
    assert machine.files() == WHOLE
    changes = await machine.history(order_id)
    assert [(after, detail) for subject, after, detail in changes if subject == "order"] == [
        ("received", None),
        ("held", "review: by hand"),
        ("processing", "partial_delivery"),
        ("completed", None),
    ]
    fetched = [path for path in server.asked if "/files/" in path]
    assert len(fetched) == len(set(fetched)) == 2
    assert (await machine.call("once")).code == 0
    assert [path for path in server.asked if "/files/" in path] == fetched
    assert machine.files() == WHOLE


async def test_every_page_of_orders_is_read(machine: Machine, server: StapiServer) -> None:
    made = {server.order() for _ in range(5)}
    machine.configure('status = ["received"]')
    assert (await machine.call("once")).code == 0
    shown = json.loads((await machine.call("status", "--json")).out)["orders"]
    assert made <= {order["order_id"] for order in shown}


async def test_a_rejected_order_ends_with_its_reason(machine: Machine, server: StapiServer) -> None:
    order_id = server.order()
    server.change(order_id, "rejected", "invalid_geometry", "too large")
    machine.configure(f'order_ids = ["{order_id}"]')
    assert (await machine.call("once")).code == 0
    assert await machine.history(order_id) == [("order", "rejected", "invalid_geometry: too large")]
    assert "invalid_geometry: too large" in (await machine.call("explain", order_id)).out


async def test_the_provider_offers_no_way_to_cancel(machine: Machine, server: StapiServer) -> None:
    order_id = server.order()
    machine.configure(f'order_ids = ["{order_id}"]')
    ended = await machine.call("cancel", order_id, "--yes")
    assert ended.code == 1
    assert "the provider offers no way to cancel an order" in ended.err


async def test_the_account_is_checked_online(machine: Machine) -> None:
    machine.configure('status = ["received"]')
    ended = await machine.call("check", "--online")
    assert ended.code == 0, ended.out + ended.err
