"""Downloads from nginx with TLS: cut within the handshake or the body, directly or through a real proxy."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.db.kit import a_delivery
from tests.servers.installed import nginx_with_tls
from tests.servers.processes import NoServerError
from tests.servers.proxies import PASSWORD, USER, tinyproxy
from tests.servers.relay import relay
from tests.servers.server import Server
from tests.transfer.fetch_rig import assembled
from tests.transfer.transfer_kit import TRUTH

from orderwatch.core.model import DeliveryState
from orderwatch.core.network import Network, Proxy
from orderwatch.transfer.http.options import DownloadOptions

ALONE = DownloadOptions(stall_timeout=30.0)
HEAD = 2000  # bytes at most, of the handshake and the head of an answer
CUTS = {"in the handshake": 300, "in the body": len(TRUTH) // 2, "near the end": len(TRUTH)}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    authority.host("files.example")
    certificate = authority.file.with_name("host-files.example.pem")
    with ExitStack() as stack:
        try:
            yield stack.enter_context(nginx_with_tls(certificate, certificate.with_suffix(".key")))
        except NoServerError as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            pytest.skip(str(error))


@pytest.fixture(params=["directly", pytest.param("through tinyproxy", marks=pytest.mark.long)])
def network(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Network]:
    trusted = authority.file.read_bytes()
    with ExitStack() as stack:
        if request.param == "directly":
            yield Network(ca_pem=trusted)
            return
        try:
            port = stack.enter_context(tinyproxy())
        except NoServerError as error:
            pytest.skip(str(error))
        proxy = Proxy(host="127.0.0.1", port=port, user=USER, password=PASSWORD)
        yield Network(proxy=proxy, ca_pem=trusted)


@pytest.mark.parametrize("cut", CUTS)
async def test_a_cut_of_tls_costs_no_byte_twice(
    tmp_path: Path, server: Server, network: Network, cut: str
) -> None:
    server.put("scene-1.zip", TRUTH, time.time() - 3600)
    async with relay(server.port) as passing:
        passing.cut_raw = CUTS[cut]

        def link(_given: int) -> str:
            return f"https://127.0.0.1:{passing.port}{server.path('scene-1.zip')}"

        truths = {"a": TRUTH}
        async with assembled(tmp_path, a_delivery(), link, truths, ALONE, network=network) as rig:
            cut_off = await rig.persist(blind=False, tries=1)
            assert cut_off.state is DeliveryState.WAITING
            assert cut_off.durable >= CUTS[cut] - HEAD - 2**14  # the last record of TLS was not complete
            stored = await rig.persist(blind=False)
            assert (stored.state, rig.stored, len(rig.said)) == (DeliveryState.STORED, "A", 1), rig.said
    assert passing.sent <= 1.2 * len(TRUTH)
