"""The account's headers go to the origin of the link, and to nobody else."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.network_proxy import proxy_server
from tests.transfer.transfer_kit import PATH, TRUTH, Act, Answer, Asked, Host, Row, file, head, host, reply

from orderwatch.core.model import Delivery
from orderwatch.core.network import DIRECT, Network
from orderwatch.errors import ForbiddenError, LinkExpiredError
from orderwatch.transfer.http.downloader import open_downloader
from orderwatch.transfer.http.options import SINGLE_CONNECTION, DownloadOptions, ParallelOptions
from orderwatch.transfer.http.rate_limit import RateLimit

ACCOUNT = {"authorizationToken": "Bearer canary", "X-Satellogic-Contract-Id": "cont.canary"}
NAMES = frozenset(name.lower() for name in ACCOUNT)
SIZE = 1_500_000
LARGE = b"PK\x03\x04" + random.Random(1).randbytes(SIZE - 4)
ETAG = '"one"'
SEVERAL = ParallelOptions(connections=4, min_file_bytes=SIZE, segment_bytes=100_000, window_seconds=0.02)


@asynccontextmanager
async def row_of(
    folder: Path,
    delivery: Delivery,
    *,
    scheme: str = "http",
    parallel: ParallelOptions = SINGLE_CONNECTION,
    network: Network = DIRECT,
) -> AsyncIterator[Row]:
    """A delivery of an account whose API is on loopback, by this scheme."""
    options = DownloadOptions(stall_timeout=5, parallel=parallel)
    async with open_downloader(
        "127.0.0.1", folder, options, RateLimit(0), network=network, api_scheme=scheme
    ) as transport:
        yield Row(folder, transport, delivery, truths=(TRUTH, LARGE), headers=ACCOUNT)


@pytest.fixture
async def row(tmp_path: Path, delivery: Delivery) -> AsyncIterator[Row]:
    async with row_of(tmp_path, delivery) as opened:
        yield opened


def slow(asked: Asked) -> Iterator[bytes | Act]:
    """The large file, so slowly that more connections add speed."""
    first, _, last = asked.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
    start, stop = int(first), int(last) + 1 if last else SIZE
    headers: dict[str, object] = {"ETag": ETAG, "Content-Length": stop - start}
    if "range" in asked.headers:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{SIZE}"
    yield head(206 if "range" in asked.headers else 200, headers)
    for at in range(start, stop, 30_000):
        yield LARGE[at : min(at + 30_000, stop)]
        yield Act.PAUSE


def to(url: str, status: int = 302) -> Answer:
    return reply(status, b"moved", Location=url)


def has_them(asked: Asked) -> bool:
    """Whether a request has the account's headers; none has a part of them."""
    found = NAMES & asked.headers.keys()
    assert found in (NAMES, frozenset())
    return bool(found)


async def test_the_headers_are_sent_to_the_link(row: Row) -> None:
    async with host(file(TRUTH)) as there:
        assert await row.fetch(there.url + PATH) == TRUTH
    [asked] = there.heard
    assert asked.headers["authorizationtoken"] == "Bearer canary"
    assert asked.headers["x-satellogic-contract-id"] == "cont.canary"


async def test_the_rest_of_a_file_is_requested_with_them_too(row: Row) -> None:
    row.hold(TRUTH[:1000], total=len(TRUTH), validator=ETAG)
    async with host(file(TRUTH, etag=ETAG)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert [(asked.offset, has_them(asked)) for asked in there.heard] == [(1000, True)]


async def test_every_connection_sends_them(tmp_path: Path, delivery: Delivery) -> None:
    async with row_of(tmp_path, delivery, parallel=SEVERAL) as row, host(slow) as there:
        assert await row.fetch(there.url) == LARGE
    assert len(there.heard) > 2
    assert all(map(has_them, there.heard))


async def test_every_connection_drops_them_at_a_redirect_to_storage(
    tmp_path: Path, delivery: Delivery
) -> None:
    async with (
        row_of(tmp_path, delivery, parallel=SEVERAL) as row,
        host(slow) as storage,
        host(to(f"{storage.url}{PATH}")) as there,
    ):
        assert await row.fetch(there.url) == LARGE
    assert len(storage.heard) == len(there.heard) > 2
    assert all(map(has_them, there.heard))
    assert not any(map(has_them, storage.heard))


async def test_a_redirect_within_the_origin_keeps_them(row: Row) -> None:
    async with host(to(PATH), to("/other"), file(TRUTH)) as there:
        await row.fetch(f"{there.url}/link")
    assert list(map(has_them, there.heard)) == [True, True, True]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_another_host_and_another_port_receive_none_of_them(row: Row, status: int, name: str) -> None:
    async with host(file(TRUTH)) as other, host(to(f"http://{name}:{other.port}{PATH}", status)) as there:
        assert await row.fetch(there.url) == TRUTH
    assert list(map(has_them, there.heard)) == [True]
    assert list(map(has_them, other.heard)) == [False]


async def test_they_are_not_sent_again_after_they_were_dropped(row: Row) -> None:
    async with host() as there, host() as other:
        there.answers = [to(f"{other.url}/a"), file(TRUTH)]
        other.answers = [to(f"{there.url}/b")]
        assert await row.fetch(there.url) == TRUTH
    assert list(map(has_them, there.heard)) == [True, False]


async def test_the_next_download_without_headers_sends_none(row: Row) -> None:
    async with host(file(TRUTH), file(TRUTH)) as there:
        await row.fetch(there.url)
        row.path.unlink()
        row.hold(b"")
        row.headers = {}
        await row.fetch(there.url)
    assert list(map(has_them, there.heard)) == [True, False]


async def test_a_plain_link_of_an_https_api_is_refused_with_them(tmp_path: Path, delivery: Delivery) -> None:
    async with row_of(tmp_path, delivery, scheme="https") as row, host(file(TRUTH)) as there:
        assert "plain http" in str(await row.fail(there.url + PATH))
        assert there.connections == 0
        row.headers = {}
        assert await row.fetch(there.url + PATH) == TRUTH


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_of_the_token_means_an_expired_link(row: Row, status: int) -> None:
    row.hold(TRUTH[:1000], total=len(TRUTH), validator=ETAG)
    async with host(reply(status), file(TRUTH, etag=ETAG)) as there:
        error = await row.fail(there.url + PATH, LinkExpiredError)
        assert not isinstance(error, ForbiddenError)
        assert await row.fetch(there.url + PATH) == TRUTH
    assert there.heard[-1].offset == 1000


async def test_storage_that_refuses_after_a_redirect_is_not_taken_for_the_api(row: Row) -> None:
    async with host(reply(403)) as storage, host(to(f"{storage.url}{PATH}")) as there:
        await row.fail(there.url, ForbiddenError)


@pytest.mark.parametrize("value", ["canary\r\nX-Other: 1", "canary\n", "canary\0", "canary→"])
async def test_a_value_that_no_header_can_have_is_refused(row: Row, value: str) -> None:
    row.headers = {"authorizationToken": value}
    async with host(file(TRUTH)) as there:
        error = await row.fail(there.url + PATH)
    assert error.__cause__ is None
    assert there.heard == []


async def test_a_proxy_that_tunnels_does_not_see_them(tmp_path: Path, delivery: Delivery) -> None:
    (tmp_path / "authority").mkdir()
    authority = Authority(tmp_path / "authority")
    async with Host([file(TRUTH)]).serving(authority.host("api.example")) as there, proxy_server() as proxy:
        proxy.names["api.example"] = there.port
        network = Network(proxy=proxy.proxy, ca_pem=authority.file.read_bytes())
        async with row_of(tmp_path, delivery, scheme="https", network=network) as row:
            assert await row.fetch(f"https://api.example{PATH}") == TRUTH
    assert list(map(has_them, there.heard)) == [True]
    assert proxy.passed
    assert not any(NAMES & each.headers.keys() for each in proxy.passed)
