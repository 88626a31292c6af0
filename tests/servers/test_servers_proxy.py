"""A download through tinyproxy, with a password; the host behind it is nginx."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from tests.db.kit import a_delivery
from tests.servers.conftest import Running
from tests.servers.processes import NoServerError
from tests.servers.proxies import PASSWORD, USER, tinyproxy
from tests.servers.relay import relay
from tests.transfer.transfer_kit import TRUTH, Row

from orderwatch.core.network import Network, Proxy
from orderwatch.errors import HostError
from orderwatch.transfer.http.downloader import Downloader, open_downloader
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit

pytestmark = [pytest.mark.long, pytest.mark.parametrize("running", ["nginx"], indirect=True)]


@pytest.fixture
def proxy_port() -> Iterator[int]:
    try:
        with tinyproxy() as port:
            yield port
    except NoServerError as error:
        pytest.skip(str(error))


def downloads(folder: Path, proxy: Proxy) -> AbstractAsyncContextManager[Downloader]:
    options, network = DownloadOptions(stall_timeout=30.0), Network(proxy=proxy)
    return open_downloader("127.0.0.1", folder, options, RateLimit(0), network=network)


async def test_a_cut_download_continues_through_a_proxy_with_a_password(
    tmp_path: Path, running: Running, proxy_port: int
) -> None:
    proxy = Proxy(host="127.0.0.1", port=proxy_port, user=USER, password=PASSWORD)
    running.server.put("scene.zip", TRUTH, 1_700_000_000)
    async with (
        relay(running.server.port, len(TRUTH) // 2) as passing,
        downloads(tmp_path, proxy) as downloader,
    ):
        row = Row(tmp_path, downloader, a_delivery())
        url = f"http://127.0.0.1:{passing.port}{running.server.path('scene.zip')}"
        await row.fail(url)
        assert row.delivery.durable == len(TRUTH) // 2
        assert await row.fetch(url) == TRUTH
        assert passing.sent <= 1.1 * len(TRUTH)


@pytest.mark.parametrize("user", [USER, None], ids=["a wrong password", "no password"])
async def test_a_refusal_of_the_proxy_is_not_the_hosts(
    tmp_path: Path, running: Running, proxy_port: int, user: str | None
) -> None:
    """A link with TLS, for which the proxy opens a tunnel."""
    proxy = Proxy(host="127.0.0.1", port=proxy_port, user=user, password="canary-other")
    async with downloads(tmp_path, proxy) as downloader:
        row = Row(tmp_path, downloader, a_delivery())
        error = await row.fail(f"https://127.0.0.1:{running.server.port}/scene.zip", HostError)
    reason = "" if user else ": [network] proxy has none"
    assert str(error) == f"the proxy 127.0.0.1:{proxy_port} rejects its credentials{reason}"
