"""What only real sockets can show."""

import asyncio
import gzip
from contextlib import suppress

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.provider.hosts import Host, at, give_token, saying, with_tokens
from tests.provider.kit import Desk, answer, listed

from orderwatch.errors import AnswerError, ProviderError, UnavailableError
from orderwatch.provider.transport import MAX_BODY_BYTES


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_the_other_host_hears_nothing(desk: Desk, status: int) -> None:
    other = Host(give_token)

    async with other.serving() as elsewhere:

        async def away(_request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{elsewhere}/take"})

        async with with_tokens(away).serving() as url, desk.connect(at(url)) as provider:
            with pytest.raises(AnswerError, match=f": {status}$"):
                await provider.tasking.order("23272")
        async with Host(away).serving() as url, desk.connect(at(url)) as provider:
            with pytest.raises(AnswerError, match=f"^token: {status}$"):
                await provider.tasking.order("23272")
    assert other.heard == []


async def test_next_on_another_port_hears_nothing(desk: Desk) -> None:
    """Its path and query are asked at our own endpoint."""
    other = Host(give_token)

    async with other.serving() as elsewhere:

        async def lead_away(request: web.Request) -> web.Response:
            if "cursor" in request.query:
                return web.json_response([{"capture_id": "b"}])
            return web.json_response(
                {"results": [{"capture_id": "a"}], "next": f"{elsewhere}{request.path}?cursor=x"}
            )

        async with with_tokens(lead_away).serving() as url, desk.connect(at(url)) as provider:
            assert [c.capture_id async for c in provider.tasking.captures("23272")] == ["a", "b"]
    assert other.heard == []


async def test_proxies_of_the_environment_hear_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Host(give_token)

    async def order(_request: web.Request) -> web.Response:
        return web.json_response(answer("task"))

    async with proxy.serving() as trap:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, trap)
        async with with_tokens(order).serving() as url, desk.connect(at(url)) as provider:
            assert (await provider.tasking.order("23272")).task_id == 23272
    assert proxy.heard == []


async def test_cookies_are_not_carried_along(desk: Desk) -> None:
    async def order(_request: web.Request) -> web.Response:
        return web.json_response(answer("task"), headers={"Set-Cookie": "track=me; Path=/"})

    host = with_tokens(order)
    async with (
        host.serving() as url,
        desk.connect(
            at(url.replace("127.0.0.1", "localhost"))
        ) as provider,  # aiohttp keeps none of an address
    ):
        await provider.tasking.order("23272")
        await provider.tasking.order("23272")
    assert len(host.heard) == 3
    assert all("Cookie" not in request.headers for request in host.heard)


async def test_a_connection_closed_instead_of_an_answer_is_opened_again(desk: Desk) -> None:
    asked = 0

    async def close_once(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == 1:
            assert request.transport
            request.transport.close()
        return web.json_response(answer("task"))

    async with with_tokens(close_once).serving() as url, desk.connect(at(url)) as provider:
        assert (await provider.tasking.order("23272")).task_id == 23272
    assert asked == 2
    assert desk.slept == []


async def test_nobody_listening_is_an_outage(desk: Desk) -> None:
    async with Host(give_token).serving() as url:
        pass
    async with desk.connect(at(url)) as provider:
        with pytest.raises(UnavailableError, match=r"^token: cannot connect$"):
            await provider.tasking.order("23272")


async def test_a_body_is_bounded(desk: Desk) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" " * 2**20)
        return response

    async with with_tokens(flood).serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(AnswerError, match=r"the response is larger than 16.8 MB$"):
            await provider.tasking.order("23272")


async def test_a_gzip_bomb_is_bounded_after_decompression(desk: Desk) -> None:
    bomb = gzip.compress(b" " * (4 * MAX_BODY_BYTES), compresslevel=1)
    assert len(bomb) < MAX_BODY_BYTES / 8

    async def explode(_request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with with_tokens(explode).serving() as url, desk.connect(at(url)) as provider:
        with pytest.raises(AnswerError, match=r"the response is larger than 16.8 MB$"):
            await provider.tasking.order("23272")


@pytest.mark.parametrize("zipped", [False, True])
async def test_a_large_honest_body_is_read(desk: Desk, *, zipped: bool) -> None:
    rows = [dict(answer("task"), task_id=number, task_name="x" * 900) for number in range(2000)]

    async def many(_request: web.Request) -> web.Response:
        response = web.json_response(rows)
        if zipped:
            response.enable_compression(web.ContentCoding.gzip)
        return response

    async with with_tokens(many).serving() as url, desk.connect(at(url)) as provider:
        assert await listed(provider) == list(range(2000))


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("raw", "error", "words"),
    [
        (HEAD + b'Content-Length: 90\r\n\r\n{"task_id": 23272', AnswerError, "the response was truncated"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", AnswerError, "the response was truncated"),
        (
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            AnswerError,
            "the response was truncated",
        ),
        (HEAD + b"Content-Length: -5\r\n\r\n{}", AnswerError, "the response is not valid HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", AnswerError, "the response is not valid HTTP"),
        (b"", UnavailableError, "connection closed"),
    ],
)
async def test_broken_http_has_a_name(desk: Desk, raw: bytes, error: type[ProviderError], words: str) -> None:
    async with (
        Host(give_token).serving() as tokens,
        saying(raw) as url,
        desk.connect(at(url, f"{tokens}/oauth/token")) as provider,
    ):
        with pytest.raises(error, match=rf"^tasking: GET /tasking/tasks/23272: {words}$"):
            await provider.tasking.order("23272")


@pytest.mark.parametrize("length", [8191, 60_000])
async def test_a_long_header_line_is_no_trouble_of_any_api(desk: Desk, length: int) -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        given = (
            await give_token(request) if request.path == "/oauth/token" else web.json_response(answer("task"))
        )
        given.headers["Content-Security-Policy"] = "x" * length
        return given

    async with Host(reply).serving() as url, desk.connect(at(url)) as provider:
        assert (await provider.tasking.order("23272")).task_id == 23272
        assert (await provider.tasking.cancel("23272")).task_id == 23272


@settings(max_examples=examples(20), deadline=None)
@given(
    st.sampled_from([b"", HEAD, HEAD + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"]), st.binary()
)
def test_no_bytes_whatever_raise_anything_but_our_own_errors(head: bytes, tail: bytes) -> None:
    async def ask() -> None:
        async with saying(head + tail) as url, Desk().connect(at(url)) as provider:
            with pytest.raises(ProviderError):
                await provider.tasking.order("23272")

    asyncio.run(ask())
