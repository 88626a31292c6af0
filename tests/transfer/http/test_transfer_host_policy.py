"""Where bytes may come from, and where redirects may lead."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.transfer.transfer_kit import PATH, SECRET, TRUTH, Answer, Host, Row, file, host, reply
from yarl import URL

from orderwatch.core.model import Delivery
from orderwatch.core.network import Network, Proxy, parse_download_network
from orderwatch.errors import TransferError
from orderwatch.ssrf import Reach, reach_of
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.host_policy import HostPolicy
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit

PUBLIC = "8.8.8.8"  # an API there; nothing is ever sent to it


def to(url: str, status: int = 302) -> Answer:
    return reply(status, b"moved", Location=url, Set_Cookie="canary=token")


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_followed_with_nothing_but_the_request(
    row: Row, status: int
) -> None:
    row.hold(TRUTH[:1000], total=len(TRUTH), validator='"one"')
    async with host(file(TRUTH, etag='"one"')) as other:
        target = f"http://localhost:{other.port}{PATH}"
        async with host(to(target, status)) as there:
            assert await row.fetch(there.url) == TRUTH
    [asked] = other.heard
    assert asked.target == PATH
    assert asked.offset == 1000
    assert asked.headers.keys() <= {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "range",
        "if-range",
    }


async def test_a_redirect_within_the_host_may_name_only_the_path(row: Row) -> None:
    async with host(to(f"/elsewhere{PATH}"), file(TRUTH)) as there:
        assert await row.fetch(there.url + "/here?x=1") == TRUTH
    assert there.heard[1].target == f"/elsewhere{PATH}"


@pytest.mark.parametrize("length", [8191, 50_000])
async def test_a_redirect_to_a_long_address_is_followed(row: Row, length: int) -> None:
    """Links that are signed with a session's policy outgrow the usual limit of a header line."""
    target = f"/storage{PATH}&policy={'x' * length}"
    async with host(to(target), file(TRUTH)) as there:
        assert await row.fetch(there.url + PATH) == TRUTH
    assert there.heard[1].target == target


async def test_five_redirects_are_followed(row: Row) -> None:
    async with host(*[to(f"/{hop}{PATH}") for hop in range(5)], file(TRUTH)) as there:
        assert await row.fetch(there.url + PATH) == TRUTH
    assert len(there.heard) == 6


async def test_a_sixth_redirect_is_refused(row: Row) -> None:
    async with host(*[to(f"/{hop}{PATH}") for hop in range(6)], file(TRUTH)) as there:
        error = await row.fail(there.url + PATH)
    assert "redirects" in str(error)
    assert len(there.heard) == 6


async def test_a_loop_of_redirects_ends_and_keeps_the_bytes(row: Row) -> None:
    row.hold(TRUTH[:1000])
    async with host(to(PATH)) as there:
        error = await row.fail(there.url + PATH)
    assert "redirects" in str(error)
    assert row.delivery.durable == 1000


@pytest.mark.parametrize(
    "target",
    [
        f"http://93.184.216.34{PATH}",
        f"http://example.com{PATH}",
        "file:///etc/passwd",
        f"ftp://example.com{PATH}",
        f"https://169.254.169.254{PATH}",
        f"https://10.0.0.1{PATH}",
        f"https://[fe80::1]{PATH}",
        f"http://[::1{PATH}",
        f"https://{PATH}",
        f"http://127.0.0.1:99999999{PATH}",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_to_where_no_bytes_may_come_from_is_refused(row: Row, target: str) -> None:
    async with host(to(target)) as there:
        await row.fail(there.url + PATH)
    assert len(there.heard) == 1


async def test_a_redirect_without_a_target_is_an_error(row: Row) -> None:
    async with host(reply(302)) as there:
        error = await row.fail(there.url + PATH)
    assert "302" in str(error)


# Addresses


LOOPBACK = [
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}",
    "http://localhost:{port}",
    "https://localhost:{port}",
    "https://127.1:{port}",
    "https://2130706433:{port}",
    "https://0x7f000001:{port}",
    "https://0177.0.0.1:{port}",
    "https://127.0.0.1.:{port}",
    "https://[::1]:{port}",
    "https://[::ffff:127.0.0.1]:{port}",
    "https://0.0.0.0:{port}",
    "https://[::]:{port}",
]


@pytest.mark.parametrize("link", LOOPBACK)
async def test_loopback_is_refused_where_the_api_is_public(
    tmp_path: Path, delivery: Delivery, link: str
) -> None:
    async with (
        open_downloader(PUBLIC, tmp_path, DownloadOptions(stall_timeout=1), RateLimit(0)) as transport,
        host(file(TRUTH)) as there,
    ):
        row = Row(tmp_path, transport, delivery)
        await row.fail(link.format(port=there.port) + PATH)
    assert there.connections == 0


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.168.1.1", "172.16.0.9", "100.64.0.1", "fd00::1", "224.0.0.1"]
)
def test_an_address_that_is_not_clearly_public_is_private(address: str) -> None:
    assert reach_of(address) is Reach.PRIVATE


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "fe80::1%eth0"])
def test_link_local_addresses_are_known(address: str) -> None:
    assert reach_of(address) is Reach.LINK_LOCAL


async def test_private_addresses_are_allowed_only_where_the_api_is_there_too() -> None:
    private = HostPolicy("10.0.0.1")
    assert private.allows("10.9.9.9")
    assert private.allows(PUBLIC)
    assert not private.allows("127.0.0.1")
    assert not private.allows("169.254.169.254")
    assert not HostPolicy(PUBLIC).allows("10.9.9.9")
    assert not HostPolicy("no-such-host.invalid").allows("10.9.9.9")


async def test_configured_networks_are_allowed_although_the_api_is_elsewhere() -> None:
    network = Network(private_downloads=(parse_download_network("10.20.0.0/16"),))
    policy = HostPolicy(PUBLIC, network)
    policy.check(URL("https://10.20.1.1/file"))
    policy.check(URL("https://[::ffff:10.20.1.1]/file"))
    for address in ("10.21.1.1", "127.0.0.1", "169.254.169.254", "[fe80::1]", "2130706433"):
        with pytest.raises(TransferError, match="not public"):
            policy.check(URL(f"https://{address}/file"))
    with pytest.raises(TransferError, match="plain http"):
        policy.check(URL("http://10.20.1.1/file"))


async def test_a_link_to_the_proxy_is_refused() -> None:
    policy = HostPolicy(PUBLIC, Network(proxy=Proxy(host="proxy.example", port=3128)))
    with pytest.raises(TransferError, match="the link points to the proxy"):
        policy.check(URL("https://proxy.example:3128/"))
    policy.check(URL("https://proxy.example/"))


async def test_plain_http_is_refused_even_where_the_api_is_private() -> None:
    with pytest.raises(TransferError, match="plain http"):
        HostPolicy("10.0.0.1").check(URL("http://10.9.9.9/"))


@pytest.mark.parametrize(
    "link",
    [
        "",
        "no link",
        "/only/a/path",
        "file:///etc/passwd",
        "http://[::1",
        f"http://127.0.0.1:1{PATH}\r\nX-Injected: 1",
        f"http://user:{SECRET}@127.0.0.1:1/",
        f"https://no-such-host.invalid{PATH}",
    ],
)
async def test_a_link_that_cannot_be_used_is_an_error_without_the_link(row: Row, link: str) -> None:
    await row.fail(link)


async def test_a_link_cannot_smuggle_a_header(row: Row) -> None:
    async with host(file(TRUTH)) as there:
        await row.persist(f"{there.url}{PATH} HTTP/1.1\r\nX-Injected: 1\r\nY: ")
    assert "x-injected" not in there.heard[0].headers


async def test_a_certificate_that_nobody_vouches_for_is_refused(row: Row, tmp_path: Path) -> None:
    async with Host([file(TRUTH)]).serving(self_signed(tmp_path)) as there:
        error = await row.fail(f"https://localhost:{there.port}{PATH}")
    assert "certificate" in str(error)
    assert not there.heard


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate that its host signed itself."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(["openssl", "req", "-x509", *curve, *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
