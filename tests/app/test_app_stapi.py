"""The daemon at a provider with STAPI."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from tests.app.stapi_kit import Machine
from tests.provider.hosts import Host
from tests.provider.stapi.kit import TOKEN, feature, link, status

ORDER_ID, DATA = "order-1", b"[1]"


class Provider:
    """One order, whose file requires the account's token too."""

    def __init__(self) -> None:
        self.history = [status("received")]
        self.links: list[object] = []
        self.asked: list[str] = []

    async def reply(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        order = feature(self.history[-1], *self.links, order_id=ORDER_ID)
        match request.path:
            case "/orders":
                return web.json_response({"type": "FeatureCollection", "features": [order]})
            case "/orders/order-1":
                return web.json_response(order)
            case "/orders/order-1/statuses":
                return web.json_response({"statuses": self.history})
            case "/files/scene.geojson":
                return web.Response(body=DATA)
            case _:
                return web.Response(status=404)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def machine(tmp_path: Path, forks: Path, provider: Provider) -> AsyncIterator[Machine]:
    async with Host(provider.reply).serving() as url:
        yield Machine(tmp_path, forks, url, TOKEN)


@pytest.mark.parametrize("watch", ['order_ids = ["order-1"]', 'status = ["*"]', 'task_name = "*"'])
async def test_files_are_stored_once_with_the_accounts_token(
    machine: Machine, provider: Provider, watch: str
) -> None:
    machine.configure(watch)
    assert (await machine.call("once")).code == 0
    provider.history.append(status("completed", reason_code="delivered", timestamp="2026-11-02T10:00:00Z"))
    provider.links.append(link(f"{machine.url}/files/scene.geojson", title="Visual"))
    for _ in range(2):
        ended = await machine.call("once")
        assert ended.code == 0, ended.err
        assert machine.files() == {"scene.geojson": hashlib.sha256(DATA).hexdigest()}
        assert provider.asked.count("GET /files/scene.geojson") == 1
    assert [entry for entry in await machine.history(ORDER_ID) if entry[0] == "order"] == [
        ("order", "received", None),
        ("order", "completed", "delivered"),
    ]
    assert TOKEN not in "".join(path.read_text(errors="replace") for path in machine.folder.glob("state/*"))


async def test_a_refused_token_is_reported_and_not_shown(machine: Machine) -> None:
    machine.token = "canary-wrong"
    machine.configure('status = ["*"]')
    ended = await machine.call("check", "--online")
    assert ended.code != 0
    assert "401" in ended.out + ended.err
    assert "canary-wrong" not in ended.out + ended.err


async def test_nothing_is_sent_to_cancel_or_place_an_order(machine: Machine, provider: Provider) -> None:
    machine.configure('status = ["*"]')
    ended = await machine.call("cancel", ORDER_ID, "--yes")
    assert (ended.code, ended.err.strip()) == (1, "orderwatch: the provider offers no way to cancel an order")
    order = machine.folder / "order.toml"
    order.write_text(
        """task_name = "a"
project_name = "b"
product = 169
target = {type = "Point", coordinates = [4.4, 51.9]}
start = 2100-01-01T00:00:00Z
end = 2100-02-01T00:00:00Z
"""
    )
    ended = await machine.call("place", str(order), "--yes")
    assert ended.code == 4
    assert "places no orders over STAPI" in ended.err
    assert provider.asked == []


async def test_the_account_has_no_contracts_and_no_products(machine: Machine) -> None:
    machine.configure('status = ["*"]')
    ended = await machine.call("contracts")
    assert (ended.code, ended.err) == (0, "")
    assert "bearer credentials have none; can task: unknown" in ended.out
    assert (await machine.call("products")).code == 0
