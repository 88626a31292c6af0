"""Downloads in a company's network: through its proxy, with its certificates; connections and cookies."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.certificates import Authority
from tests.network_proxy import PASSWORD, proxy_server
from tests.patience import PATIENCE
from tests.transfer.transfer_kit import PATH, TRUTH, Act, Host, Row, file, host, reply

from orderwatch.core.model import Delivery
from orderwatch.core.network import DIRECT, Network, parse_no_proxy
from orderwatch.errors import HostError
from orderwatch.ports import Meter
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit

NAME = "files.example"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "authority"
    folder.mkdir()
    return Authority(folder)


@asynccontextmanager
async def row_in(network: Network, folder: Path, delivery: Delivery) -> AsyncIterator[Row]:
    """A delivery of an account whose API is on loopback."""
    options = DownloadOptions(stall_timeout=1.0)
    async with open_downloader("127.0.0.1", folder, options, RateLimit(0), network=network) as transport:
        yield Row(folder, transport, delivery)


async def test_a_download_goes_through_the_proxy_and_the_host_sees_nothing_of_it(
    tmp_path: Path, delivery: Delivery, authority: Authority
) -> None:
    async with Host([file(TRUTH)]).serving(authority.host(NAME)) as there, proxy_server() as proxy:
        proxy.names[NAME] = there.port
        network = Network(proxy=proxy.proxy, ca_pem=authority.file.read_bytes())
        async with row_in(network, tmp_path, delivery) as row:
            assert await row.fetch(f"https://{NAME}{PATH}") == TRUTH
    assert [each.method for each in proxy.passed if not each.status] == ["CONNECT"]
    assert proxy.targets == {f"{NAME}:443"}
    [asked] = there.heard
    assert asked.target == PATH
    assert "proxy-authorization" not in asked.headers


async def test_a_redirect_to_another_host_goes_through_the_proxy_too(
    tmp_path: Path, delivery: Delivery, authority: Authority
) -> None:
    tls = authority.host(NAME, "storage.example")
    async with (
        Host([file(TRUTH)]).serving(tls) as storage,
        Host([reply(302, Location=f"https://storage.example{PATH}")]).serving(tls) as there,
        proxy_server() as proxy,
    ):
        proxy.names.update({NAME: there.port, "storage.example": storage.port})
        network = Network(proxy=proxy.proxy, ca_pem=authority.file.read_bytes())
        async with row_in(network, tmp_path, delivery) as row:
            assert await row.fetch(f"https://{NAME}/link") == TRUTH
    assert proxy.targets == {f"{NAME}:443", "storage.example:443"}


async def test_a_proxy_on_this_machine_serves_plain_http_links_to_this_machine(
    tmp_path: Path, delivery: Delivery
) -> None:
    async with (
        host(file(TRUTH)) as there,
        proxy_server() as proxy,
        row_in(Network(proxy=proxy.proxy), tmp_path, delivery) as row,
    ):
        assert await row.fetch(there.url + PATH) == TRUTH
    assert proxy.passed[-1].target == there.url + PATH
    assert there.heard[0].target == PATH
    assert "proxy-authorization" not in there.heard[0].headers


async def test_exceptions_from_the_proxy_go_direct(tmp_path: Path, delivery: Delivery) -> None:
    async with host(file(TRUTH)) as there, proxy_server() as proxy:
        network = Network(proxy=proxy.proxy, no_proxy=(parse_no_proxy("127.0.0.0/8"),))
        async with row_in(network, tmp_path, delivery) as row:
            assert await row.fetch(there.url + PATH) == TRUTH
    assert not proxy.passed


async def test_proxies_of_the_environment_are_not_used(
    tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with host(file(TRUTH)) as there, proxy_server() as proxy:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with row_in(DIRECT, tmp_path, delivery) as row:
            assert await row.fetch(there.url + PATH) == TRUTH
    assert not proxy.passed


@pytest.mark.parametrize(
    ("status", "link", "reason"),
    [
        (407, f"https://{NAME}{PATH}", "rejects its credentials"),
        (407, f"http://127.0.0.1:9{PATH}", "rejects its credentials"),
        (401, f"https://{NAME}{PATH}", "rejects its credentials"),  # as tinyproxy rejects a wrong password
        (403, f"https://{NAME}{PATH}", "forbids the connection"),
        (502, f"https://{NAME}{PATH}", "answers 502"),
    ],
)
async def test_a_proxy_that_refuses_is_named_and_the_host_counts_as_not_reached(
    tmp_path: Path, delivery: Delivery, status: int, link: str, reason: str
) -> None:
    async with (
        proxy_server(status=status) as proxy,
        row_in(Network(proxy=proxy.proxy), tmp_path, delivery) as row,
    ):
        error = await row.fail(link, HostError)
    assert reason in str(error)
    assert str(proxy.proxy) in str(error)
    assert PASSWORD not in repr(error)
    assert isinstance(error, HostError)
    assert not error.reached


async def test_a_wrong_password_is_the_proxys_refusal(tmp_path: Path, delivery: Delivery) -> None:
    async with proxy_server() as proxy:
        wrong = Network(proxy=replace(proxy.proxy, password="old"))
        async with row_in(wrong, tmp_path, delivery) as row:
            error = await row.fail(f"https://{NAME}{PATH}", HostError)
    assert "rejects its credentials" in str(error)


@pytest.mark.parametrize("fields", [{"hangs": True}, {}], ids=["hangs", "is down"])
async def test_a_proxy_that_does_not_answer_is_named(
    tmp_path: Path, delivery: Delivery, fields: Mapping[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderwatch.transfer.http.link_client._CONNECT_TIMEOUT_SECONDS", 1.0)
    async with proxy_server(**fields) as server:
        proxy = server.proxy if fields else replace(server.proxy, port=9)
        async with row_in(Network(proxy=proxy), tmp_path, delivery) as row:
            error = await row.fail(f"https://{NAME}{PATH}", HostError)
    assert "proxy" in str(error)
    assert isinstance(error, HostError)
    assert not error.reached


async def test_a_private_authority_is_trusted_only_if_it_is_configured(
    tmp_path: Path, delivery: Delivery, authority: Authority
) -> None:
    async with Host([file(TRUTH)]).serving(authority.host("localhost")) as there:
        link = f"https://localhost:{there.port}{PATH}"
        async with row_in(DIRECT, tmp_path, delivery) as row:
            assert "certificate" in str(await row.fail(link, HostError))
        async with row_in(Network(ca_pem=authority.file.read_bytes()), tmp_path, delivery) as row:
            assert await row.fetch(link) == TRUTH


async def test_a_cookie_of_a_redirect_is_sent_to_its_host_in_this_download_only(row: Row) -> None:
    sets = reply(302, Location=PATH, Set_Cookie="session=canary; Path=/")
    async with host(sets, file(TRUTH), file(TRUTH)) as there:
        assert await row.fetch(f"{there.url}/link") == TRUTH
        row.path.unlink()
        row.hold(b"")
        assert await row.fetch(there.url + PATH) == TRUTH
    assert [asked.headers.get("cookie") for asked in there.heard] == [None, "session=canary", None]


async def test_downloads_one_after_the_other_share_a_connection(tmp_path: Path, delivery: Delivery) -> None:
    peers = set[object]()

    async def serve(request: web.Request) -> web.Response:
        peers.add(request.transport and request.transport.get_extra_info("peername"))
        return web.Response(body=TRUTH, content_type="application/zip")

    app = web.Application()
    app.router.add_get("/{name}", serve)
    async with TestServer(app) as server, row_in(DIRECT, tmp_path, delivery) as row:
        for name in "abc":
            row.hold(b"")
            assert await row.fetch(str(server.make_url(f"/{name}"))) == TRUTH
    assert len(peers) == 1


class Requests(Meter):
    """Collects the status of each answer."""

    def __init__(self) -> None:
        self.found = list[int | None]()

    def requested(self, api: str, code: int | None, seconds: float) -> None:
        assert (api, seconds >= 0) == ("download", True)
        self.found.append(code)


async def test_an_answer_is_counted_when_it_comes_not_when_its_body_ends(
    tmp_path: Path, delivery: Delivery
) -> None:
    meter, options = Requests(), DownloadOptions(stall_timeout=PATIENCE)
    async with (
        open_downloader("127.0.0.1", tmp_path, options, RateLimit(0), meter=meter) as transport,
        host(reply(302, Location=PATH), file(TRUTH, upto=1000, then=Act.STALL)) as there,
    ):
        task = asyncio.create_task(Row(tmp_path, transport, delivery).fetch(f"{there.url}/link"))
        while meter.found != [302, 200]:
            await asyncio.sleep(0.01)
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert meter.found == [302, 200]


async def test_a_download_is_cancelled_while_its_host_is_silent(row: Row) -> None:
    async with host(reply(200, b"", Act.STALL, Content_Length=9)) as there:
        task = asyncio.create_task(row.fetch(there.url + PATH))
        while not there.heard:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert row.delivery.durable == 0
