"""The provider behind a company's proxy, and a company's certificate authority."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from aiohttp import web
from tests.certificates import Authority
from tests.network_proxy import PASSWORD, PEER, USER, ProxyServer, proxy_server
from tests.provider.hosts import Host, at, give_token, with_tokens
from tests.provider.kit import (
    Desk,
    answer,
    listed,
    page,
    scenes_of,
)

from orderwatch.core.network import DIRECT, Network, Proxy, parse_no_proxy
from orderwatch.errors import RefusedError, UnavailableError
from orderwatch.provider.connection import Connection

NAME = "api.example"  # only the proxy can resolve it


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@dataclass
class Office:
    """A provider with TLS behind a proxy."""

    proxy: ProxyServer
    provider: Host
    network: Network
    port: int

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    @property
    def peers(self) -> set[str | None]:
        return {request.remote for request in self.provider.heard}


async def reply(request: web.Request) -> web.Response:
    if "/23272" in request.path:
        return web.json_response(answer("task"))
    if "scenes" in request.path:
        return web.json_response(answer("scenes"))
    return web.json_response(page(answer("task")))


@asynccontextmanager
async def office(authority: Authority, **fields: object) -> AsyncIterator[Office]:
    host = with_tokens(reply)
    async with host.serving(authority.host(NAME)) as url, proxy_server(**fields) as proxy:
        port = int(url.rpartition(":")[2])
        proxy.names[NAME] = port
        network = Network(proxy=proxy.proxy, ca_pem=authority.file.read_bytes())
        yield Office(proxy, host, network, port)


async def failure(provider: Connection) -> UnavailableError:
    with pytest.raises(UnavailableError) as caught:
        await provider.tasking.order("23272")
    assert not isinstance(caught.value, RefusedError)
    assert PASSWORD not in str(caught.value)
    return caught.value


async def test_every_api_is_reached_through_the_proxy(authority: Authority, desk: Desk) -> None:
    async with office(authority) as o, desk.connect(at(o.url), o.network) as provider:
        assert (await provider.tasking.order("23272")).task_id == 23272
        assert await listed(provider) == [23272]
        assert await scenes_of(provider)
        await provider.tasking.cancel("23272")
    assert o.peers == {PEER}
    assert o.proxy.targets == {f"{NAME}:{o.port}"}
    assert {passed.method for passed in o.proxy.passed} == {"CONNECT"}


async def test_the_password_of_the_proxy_reaches_no_host(authority: Authority, desk: Desk) -> None:
    async with office(authority) as o, desk.connect(at(o.url), o.network) as provider:
        await provider.tasking.order("23272")
    assert o.provider.heard
    assert all("Proxy-Authorization" not in request.headers for request in o.provider.heard)


async def test_requests_share_a_tunnel(authority: Authority, desk: Desk) -> None:
    async with office(authority) as o, desk.connect(at(o.url), o.network) as provider:
        for _ in range(3):
            await provider.tasking.order("23272")
    assert len(o.provider.heard) == 4
    assert len(o.proxy.passed) == 1


async def test_a_host_of_no_proxy_is_reached_direct(authority: Authority, desk: Desk) -> None:
    async with office(authority) as o:
        network = replace(o.network, no_proxy=(parse_no_proxy("127.0.0.0/8"),))
        async with desk.connect(at(f"https://127.0.0.1:{o.port}"), network) as provider:
            await provider.tasking.order("23272")
            await provider.tasking.cancel("23272")
    assert o.proxy.passed == []
    assert o.peers == {"127.0.0.1"}


async def test_an_authority_that_is_not_configured_is_not_trusted(authority: Authority, desk: Desk) -> None:
    async with office(authority) as o:
        for network in (replace(o.network, ca_pem=b""), DIRECT):
            url = o.url if network.proxy else f"https://127.0.0.1:{o.port}"
            async with desk.connect(at(url), network) as provider:
                assert str(await failure(provider)) == "token: no trusted TLS connection"
    assert o.provider.heard == []


async def test_a_configured_authority_is_trusted_without_a_proxy(authority: Authority, desk: Desk) -> None:
    async with office(authority) as o:
        network = Network(ca_pem=o.network.ca_pem)
        async with desk.connect(at(f"https://127.0.0.1:{o.port}"), network) as provider:
            assert (await provider.tasking.order("23272")).task_id == 23272


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (407, "rejects its credentials"),
        (401, "rejects its credentials"),  # as tinyproxy rejects a wrong password
        (403, "forbids the connection to this host"),
        (502, "answers 502"),
    ],
)
async def test_a_refusal_of_the_proxy_is_none_of_the_provider(
    authority: Authority, desk: Desk, status: int, reason: str
) -> None:
    async with office(authority, status=status) as o, desk.connect(at(o.url), o.network) as provider:
        error = await failure(provider)
        assert str(error) == f"token: the proxy 127.0.0.1:{o.proxy.port} {reason}"
        assert not error.reached
    assert o.provider.heard == []


@pytest.mark.parametrize(
    ("proxy", "hint"),
    [
        (Proxy(host="127.0.0.1", port=0, user=USER, password="canary-wrong"), ""),
        (Proxy(host="127.0.0.1", port=0), ": [network] proxy has none"),
    ],
)
async def test_rejected_credentials_of_the_proxy_are_tried_once(
    authority: Authority, desk: Desk, proxy: Proxy, hint: str
) -> None:
    """More attempts may lock them, and the answer would be the same."""
    async with office(authority) as o:
        network = replace(o.network, proxy=replace(proxy, port=o.proxy.port))
        async with desk.connect(at(o.url), network) as provider:
            error = await failure(provider)
    assert str(error) == f"token: the proxy {network.proxy} rejects its credentials{hint}"
    assert len(o.proxy.passed) == 1
    assert desk.slept == []


async def test_a_proxy_that_is_down_is_named(authority: Authority, desk: Desk) -> None:
    async with office(authority) as o:
        network = o.network
    async with desk.connect(at(o.url), network) as provider:
        error = await failure(provider)
    assert str(error) == f"token: cannot connect to the proxy 127.0.0.1:{o.proxy.port}"
    assert not error.reached


async def test_a_proxy_that_cannot_be_found_is_named(desk: Desk) -> None:
    network = Network(proxy=Proxy(host="no-such-proxy.invalid", port=3128))
    async with desk.connect(at(f"https://{NAME}"), network) as provider:
        error = await failure(provider)
    assert str(error) == "token: the host of the proxy no-such-proxy.invalid:3128 is not found"


async def test_a_proxy_that_opens_no_tunnel_is_named(
    authority: Authority, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderwatch.http_session._TUNNEL_TIMEOUT_SECONDS", 0.05)
    async with office(authority, hangs=True) as o, desk.connect(at(o.url), o.network) as provider:
        error = await failure(provider)
    assert str(error) == f"token: no connection through the proxy 127.0.0.1:{o.proxy.port} in time"
    assert not error.reached


async def test_a_change_that_the_proxy_did_not_pass_on_was_certainly_not_made(
    authority: Authority, desk: Desk
) -> None:
    """Not `UnclearError`: nothing has to be looked up before it is sent again."""
    async with office(authority) as o, desk.connect(at(o.url), o.network) as provider:
        await provider.tasking.order("23272")
        o.proxy.status = 407
        with pytest.raises(UnavailableError, match=r"the proxy .* rejects its credentials"):
            await provider.tasking.cancel("23272")


async def test_a_plain_host_on_this_machine_gets_no_credentials_of_the_proxy(desk: Desk) -> None:
    """Through a proxy on the same machine, which could not reach this machine from another one."""
    host = with_tokens(reply)
    async with host.serving() as url, proxy_server() as proxy:
        async with desk.connect(at(url), Network(proxy=proxy.proxy)) as provider:
            await provider.tasking.order("23272")
        elsewhere = Network(proxy=Proxy(host="192.0.2.1", port=3128))
        async with desk.connect(at(url), elsewhere) as provider:
            await provider.tasking.order("23272")
    assert [request.remote for request in host.heard] == [PEER, PEER, "127.0.0.1", "127.0.0.1"]
    assert all("Proxy-Authorization" not in request.headers for request in host.heard)
    assert [passed.target.partition("?")[0] for passed in proxy.passed] == [
        f"{url}/oauth/token",
        f"{url}/tasking/tasks/23272",
    ]


async def test_a_plain_request_that_the_proxy_rejects_is_none_of_the_provider(desk: Desk) -> None:
    async with (
        Host(give_token).serving() as url,
        proxy_server(status=407) as proxy,
        desk.connect(at(url), Network(proxy=proxy.proxy)) as provider,
    ):
        error = await failure(provider)
    assert str(error) == f"token: the proxy 127.0.0.1:{proxy.port} rejects its credentials"
