"""One exchange with a host or proxy that breaks the rules of HTTP, or breaks off at an odd moment."""

import asyncio
import errno
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.network_proxy import proxy_server
from tests.patience import PATIENCE
from tests.transfer.hostile import raw
from tests.transfer.transfer_kit import PATH, TRUTH, Act, Asked, Host, Row, file, head, host, reply

from orderwatch.core.model import Delivery
from orderwatch.core.network import Network, Proxy
from orderwatch.errors import HostError
from orderwatch.ports import Meter
from orderwatch.transfer.http.downloader import Downloader, open_downloader
from orderwatch.transfer.http.handles import HandlePool
from orderwatch.transfer.http.host_policy import HostPolicy
from orderwatch.transfer.http.link_client import LinkClient, open_link_client
from orderwatch.transfer.http.options import DownloadOptions
from orderwatch.transfer.http.rate_limit import RateLimit
from orderwatch.transfer.http.stall_watch import Limits

NAME = "files.example"
HELD = 70_000
ETAG = '"a"'


@asynccontextmanager
async def row_behind(proxy: Proxy, folder: Path, delivery: Delivery) -> AsyncIterator[Row]:
    """A delivery whose downloads go through the proxy."""
    options, network = DownloadOptions(stall_timeout=1.0), Network(proxy=proxy)
    async with open_downloader("127.0.0.1", folder, options, RateLimit(0), network=network) as transport:
        yield Row(folder, transport, delivery)


def hold_beginning(row: Row) -> None:
    """As after an attempt that was cut."""
    version = replace(row.delivery.file_version, total=len(TRUTH), validator=ETAG)
    row.delivery = row.delivery.described_by(version)
    row.hold(TRUTH[:HELD])


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Len",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nETag: "b"\r\n',
        b"HTTP/1.1 200 OK\r\nServer: \0\r\nContent-Length: 9\r\n\r\nPK1234567",
    ],
)
async def test_headers_that_are_cut_or_broken_discard_nothing(row: Row, cut: bytes) -> None:
    hold_beginning(row)
    async with host(raw(cut)) as there:
        await row.fail(there.url + PATH, HostError)
    assert row.starts == []
    assert row.on_disk.startswith(TRUTH[:HELD])


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 No\r\nServer: x\r\n"])
async def test_headers_that_are_cut_are_no_empty_file(row: Row, cut: bytes) -> None:
    async with host(raw(cut)) as there:
        error = await row.fail(there.url + PATH, HostError)
    assert "interrupted" in str(error)


async def test_a_status_line_in_lower_case_is_read(row: Row) -> None:
    answer = b"http/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(TRUTH)
    async with host(raw(answer, TRUTH)) as there:
        assert await row.fetch(there.url + PATH) == TRUTH


async def test_a_range_that_never_ends_is_left_at_its_end(row: Row) -> None:
    hold_beginning(row)

    def answer(_asked: Asked) -> Iterator[bytes | Act]:
        named = f"bytes {HELD}-{len(TRUTH) - 1}/{len(TRUTH)}"
        yield head(206, {"ETag": ETAG, "Content-Range": named, "Transfer-Encoding": "chunked"})
        yield b"%x\r\n%s\r\n" % (len(TRUTH) - HELD, TRUTH[HELD:])
        yield from repeat(b"1000\r\n%s\r\n" % bytes(0x1000))

    async with host(answer) as there, asyncio.timeout(PATIENCE):
        assert await row.fetch(there.url + PATH) == TRUTH


async def test_trailers_redirect_nowhere(row: Row) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n" % (len(TRUTH), TRUTH)
    trailers = b"HTTP/1.1 302: Found\r\nLocation: /elsewhere\r\n\r\n"
    async with host(
        raw(head(200, {"Transfer-Encoding": "chunked"}), chunked, trailers), reply(200, b"spliced")
    ) as there:
        assert await row.fetch(there.url + PATH) == TRUTH
    assert len(there.heard) == 1


@pytest.mark.parametrize("tag", ['"\u00e9"', '"a\\b"', '"a\tb"'])
async def test_a_strange_tag_is_sent_back_as_it_came(row: Row, tag: str) -> None:
    async with host(file(TRUTH, etag=tag, upto=HELD), file(TRUTH, etag=tag)) as there:
        await row.fail(there.url + PATH)
        assert await row.fetch(there.url + PATH) == TRUTH
    assert there.heard[1].headers["if-range"] == tag


async def test_a_redirect_with_characters_that_need_quoting_is_followed(row: Row) -> None:
    moved = "HTTP/1.1 302 Found\r\nLocation: /\u00e9?a b\r\nContent-Length: 0\r\n\r\n".encode()
    async with host(raw(moved), file(TRUTH)) as there:
        assert await row.fetch(there.url + PATH) == TRUTH
    assert there.heard[1].target == "/%C3%A9?a%20b"


async def test_a_redirect_whose_body_is_cut_is_followed(row: Row) -> None:
    async with host(reply(302, b"moved", Location="/there", Content_Length=100), file(TRUTH)) as there:
        assert await row.fetch(there.url + PATH) == TRUTH


async def test_credentials_of_a_proxy_may_have_any_letters(tmp_path: Path, delivery: Delivery) -> None:
    async with proxy_server() as there:
        proxy = replace(there.proxy, user="j\u00fcrgen", password="p\u00e4ss")
        async with row_behind(proxy, tmp_path, delivery) as row:
            await row.fail(f"https://{NAME}{PATH}", HostError)
    assert there.passed[0].headers["proxy-authorization"] == proxy.authorization


async def test_a_certificate_behind_a_proxy_is_not_the_proxys_fault(
    tmp_path: Path, delivery: Delivery
) -> None:
    authority = Authority(tmp_path)
    async with Host([file(TRUTH)]).serving(authority.host(NAME)) as there, proxy_server() as proxy:
        proxy.names[NAME] = there.port
        async with row_behind(proxy.proxy, tmp_path, delivery) as row:
            error = await row.fail(f"https://{NAME}{PATH}", HostError)
    assert "certificate" in str(error)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 129])
@pytest.mark.parametrize("step", [1, 63, 64, 65])
async def test_the_first_bytes_come_in_any_pieces(row: Row, size: int, step: int) -> None:
    def answer(_asked: Asked) -> Iterator[bytes | Act]:
        yield head(200, {"Content-Length": size})
        for at in range(0, size, step):
            yield TRUTH[at : min(at + step, size)]
            yield Act.PAUSE

    async with host(answer) as there:
        assert await row.fetch(there.url + PATH) == TRUTH[:size]


async def test_a_request_that_waits_for_a_thread_is_cancelled_at_once(
    tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderwatch.transfer.http.link_client._MAX_CONNECTIONS", 1)
    options = DownloadOptions(stall_timeout=PATIENCE)
    async with (
        open_downloader("127.0.0.1", tmp_path, options, RateLimit(0)) as transport,
        host(raw(Act.STALL)) as there,
        asyncio.timeout(PATIENCE / 10),
    ):
        row = Row(tmp_path, transport, delivery)
        first = asyncio.create_task(row.fetch(there.url + PATH))
        while not there.heard:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(row.fetch(there.url + PATH))
        await asyncio.sleep(0.1)
        for task in (second, first):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert len(there.heard) == 1


async def test_a_system_without_threads_fails_a_download_and_leaves_no_request(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name.startswith("download"):
            raise RuntimeError("can't start new thread")
        start(thread)

    async with host(file(TRUTH)) as there:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            error = await row.fail(there.url + PATH)
        row.hold(b"")
        async with asyncio.timeout(PATIENCE / 10):
            assert await row.fetch(there.url + PATH) == TRUTH
    assert "no thread" in str(error)


async def test_a_system_without_sockets_fails_a_download_in_our_words(
    row: Row, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async with host(file(TRUTH)) as there:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", fail)
            error = await row.fail(there.url + PATH, HostError)
    assert str(error) == "cannot connect to the download host: Too many open files"
    assert not capfd.readouterr().err


async def test_an_address_that_is_not_allowed_beside_one_that_is_explains_no_cut(
    tmp_path: Path, delivery: Delivery
) -> None:
    """The name `localhost` has both addresses; the policy of this test allows one."""

    class OnlyIPv4(HostPolicy):
        def allows(self, address: str) -> bool:
            return address == "127.0.0.1"

    limits = Limits(stall=1.0, connect=1.0)
    client = LinkClient(OnlyIPv4("127.0.0.1"), HandlePool(), limits)
    row = Row(
        tmp_path, Downloader(client, tmp_path, DownloadOptions(stall_timeout=1.0), RateLimit(0)), delivery
    )
    async with host(file(TRUTH, upto=HELD)) as there:
        error = await row.fail(f"http://localhost:{there.port}{PATH}", HostError)
    client.close()
    assert "interrupted" in str(error)


async def test_a_request_is_answered_when_its_headers_are_complete() -> None:
    answered: list[tuple[str, int | None, bool]] = []

    class Answers(Meter):
        def requested(self, api: str, code: int | None, seconds: float) -> None:
            answered.append((api, code, seconds >= 0))

    moved = reply(302, Location="/there")
    async with (
        host(moved, reply(200, TRUTH[:HELD], Act.STALL, Content_Length=len(TRUTH)), raw(b"")) as there,
        open_link_client("127.0.0.1", stall_timeout=PATIENCE, meter=Answers()) as client,
    ):
        async with client.get(there.url, {}) as response:
            assert response.status == 200
            assert answered == [("download", 302, True), ("download", 200, True)]
        with pytest.raises(HostError):
            async with client.get(there.url, {}):
                pass
    assert answered[2:] == [("download", None, True)]


async def test_a_cancel_of_every_task_waits_for_the_thread() -> None:
    """As when a loop ends early: a thread that still writes would write into a closed file."""
    begun, go_on, written = threading.Event(), threading.Event(), threading.Event()

    class SlowSink:
        def add(self, chunk: bytes) -> bool:  # noqa: ARG002 - of the port
            return False

        def write(self, chunk: bytes) -> bool:  # noqa: ARG002 - of the port
            begun.set()
            go_on.wait(PATIENCE)
            written.set()
            return True

        def flush(self) -> bool:
            return True

    async def receive() -> None:
        async with client.get(there.url, {}) as response:
            await response.read_into(SlowSink())

    async with (
        host(reply(200, TRUTH)) as there,
        open_link_client("127.0.0.1", stall_timeout=PATIENCE) as client,
    ):
        before = asyncio.all_tasks()
        receiving = asyncio.create_task(receive())
        await asyncio.to_thread(begun.wait, PATIENCE)
        for task in asyncio.all_tasks() - before:
            if "Host" not in repr(task):
                task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await receiving
        assert written.is_set()
