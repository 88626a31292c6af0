"""Webhooks, the heartbeat and mail in a company's network."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.certificates import Authority
from tests.network_proxy import PASSWORD, PEER, ProxyServer, proxy_server
from tests.notifiers.receiver import Receiver, item, mail_server, receiver

from orderwatch.core.network import Network, Proxy, parse_no_proxy
from orderwatch.errors import NotifyError
from orderwatch.notifiers import email, http
from orderwatch.notifiers.webhook import Settings, Webhook, connect

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Office = tuple[Receiver, ProxyServer, Network]
NAME = "hooks.example"  # only the proxy can resolve it


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def office(
    authority: Authority, **fields: object
) -> AsyncIterator[tuple[Receiver, ProxyServer, Network]]:
    async with receiver(tls=authority.host(NAME)) as there, proxy_server(**fields) as proxy:
        proxy.names[NAME] = there.port
        yield there, proxy, Network(proxy=proxy.proxy, ca_pem=authority.file.read_bytes())


@asynccontextmanager
async def hook(url: str, network: Network, *, allow_private: bool = False) -> AsyncIterator[Webhook]:
    settings = Settings(read_url=lambda: url, allow_private=allow_private, network=network)
    async with connect(settings, lambda: NOW) as webhook:
        yield webhook


async def refusal(url: str, network: Network) -> str:
    async with hook(url, network) as webhook:
        with pytest.raises(NotifyError) as caught:
            await webhook.send([item(1)])
    assert PASSWORD not in str(caught.value)
    assert "canary" not in str(caught.value)
    return str(caught.value)


async def test_webhook_and_heartbeat_go_through_the_proxy(authority: Authority) -> None:
    async with office(authority) as (there, proxy, network):
        url = f"https://{NAME}/hook"
        async with hook(url, network) as webhook:
            await webhook.send([item(1)])
        async with http.connect(lambda: url, network, allow_private=False) as heartbeat:
            await heartbeat.ping()
    assert [(request.method, request.peer) for request in there.heard] == [("POST", PEER), ("GET", PEER)]
    assert proxy.targets == {f"{NAME}:443"}
    assert all("Proxy-Authorization" not in request.headers for request in there.heard)


async def test_a_proxy_with_a_private_address_is_used_although_such_an_address_is_no_target(
    authority: Authority,
) -> None:
    async with office(authority) as (there, proxy, network):
        named = replace(network, proxy=replace(proxy.proxy, host="localhost"))
        async with hook(f"https://{NAME}/hook", named) as webhook:
            await webhook.send([item(1)])
        assert len(there.heard) == 1
        no_proxy = replace(named, no_proxy=(parse_no_proxy("*"),))
        assert "not public" in await refusal(f"https://localhost:{there.port}/hook", no_proxy)
        assert await refusal(f"https://localhost:{proxy.port}/hook", no_proxy) == "the URL leads to the proxy"
    assert len(there.heard) == 1


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::1]", "127.1", "2130706433", "0x7f.1"])
async def test_an_address_that_is_not_public_is_refused_before_the_proxy_is_asked(
    authority: Authority, host: str
) -> None:
    async with office(authority) as (_, proxy, network):
        assert "not public" in await refusal(f"https://{host}/canary", network)
    assert proxy.passed == []


async def test_mail_trusts_the_configured_authority_and_no_other(authority: Authority) -> None:
    async with mail_server(tls=authority.host("localhost")) as there:
        settings = email.Settings(
            host="localhost",
            port=there.port,
            tls="tls",
            user="",
            read_password=None,
            sender="orderwatch@here.example",
            to=("you@there.example",),
        )
        with pytest.raises(NotifyError, match="the certificate of localhost is not trusted"):
            await email.Email(settings).send([item(1)])
        assert there.mails == []
        await email.Email(replace(settings, ca_pem=authority.file.read_bytes())).send([item(1)])
        assert len(there.mails) == 1


async def test_what_the_proxy_refuses_is_no_answer_of_the_receiver(authority: Authority) -> None:
    async with office(authority, status=407) as (there, proxy, network):
        problem = await refusal(f"https://{NAME}/canary", network)
    assert problem == f"{NAME} cannot be reached: the proxy 127.0.0.1:{proxy.port} rejects its credentials"
    assert there.heard == []


async def test_a_proxy_that_is_down_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    problem = await refusal(f"https://{NAME}/canary", Network(proxy=Proxy(host="127.0.0.1", port=port)))
    assert problem == f"{NAME} cannot be reached: cannot connect to the proxy 127.0.0.1:{port}"
