"""Over real sockets: what is served, to whom, and what strangers get."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from structlog.testing import LogCapture
from tests.logs import events
from tests.web.stub_pages import pages_with

from orderwatch.web.server.app import Report, ServedPages, serving
from orderwatch.web.server.connections import Connections

__all__ = ["events"]


class Told:
    """What the pages say; may be changed, or fail."""

    def __init__(self) -> None:
        self.report: Report = {"ok": True, "reasons": []}
        self.accepts: list[str] = []

    async def says(self) -> Report:
        return self.report

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        self.accepts.append(accept)
        return b"x 1\n", "text/plain; version=0.0.4; charset=utf-8"

    @property
    def pages(self) -> ServedPages:
        return ServedPages(health=self.says, readiness=self.says, metrics=self.metrics)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def port(told: Told) -> AsyncIterator[int]:
    async with serving("127.0.0.1:0", told.pages) as port:
        yield port


async def answered(
    port: int, path: str = "/healthz", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, as they come; `host` and `origin` as given."""
    lines = {"host": f"127.0.0.1:{port}", **headers}
    text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
    return await raw(port, text.encode())


async def raw(port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        answer = await reader.read()  # to its end: the server closes
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body


async def test_health_is_200_or_503_with_the_reasons(told: Told, port: int) -> None:
    status, headers, body = await answered(port)
    assert (status, json.loads(body)) == (200, {"ok": True, "reasons": []})
    assert headers["content-type"].startswith("application/json")
    told.report = {"ok": False, "reasons": ["worker: no progress since 700 s"], "problems": []}
    status, _, body = await answered(port, "/readyz")
    assert (status, json.loads(body)) == (503, told.report)


async def test_metrics_come_as_accept_wants_them(told: Told, port: int) -> None:
    status, headers, body = await answered(port, "/metrics", accept="application/openmetrics-text")
    assert (status, body, told.accepts) == (200, b"x 1\n", ["application/openmetrics-text"])
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_head_answers_without_a_body(path: str, port: int) -> None:
    status, headers, body = await answered(port, path, "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_nothing_but_get_and_head_is_answered(method: str, port: int) -> None:
    status, headers, _ = await answered(port, "/metrics", method)
    assert (status, headers["allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/../etc/passwd", "/%2e%2e/x", "//metrics"])
async def test_unknown_paths_are_not_found(path: str, port: int) -> None:
    assert (await answered(port, path))[0] == 404


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nothing"])
async def test_every_answer_is_plain_and_says_nothing_of_the_server(path: str, port: int) -> None:
    _, headers, _ = await answered(port, path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["connection"] == "close"
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", ["/healthz", "/nothing"])
async def test_every_answer_keeps_other_pages_and_foreign_content_out(path: str, port: int) -> None:
    _, headers, _ = await answered(port, path)
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("method", "mode", "dest", "status"),
    [
        ("GET", "navigate", "document", 200),
        ("GET", "navigate", "iframe", 403),
        ("GET", "no-cors", "image", 403),
        ("HEAD", "navigate", "document", 403),
    ],
)
async def test_another_site_may_only_link_here(
    method: str, mode: str, dest: str, status: int, port: int
) -> None:
    sent = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    assert (await answered(port, "/healthz", method, **sent))[0] == status


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8787", "127.0.0.1", "[::1]:8787"])
async def test_the_names_of_this_host_are_known(host: str, port: int) -> None:
    assert (await answered(port, host=host))[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "a@localhost", ""],
)
@pytest.mark.parametrize("path", ["/metrics", "/nothing"])
async def test_a_foreign_host_is_misdirected_whatever_it_asks(host: str, path: str, port: int) -> None:
    status, _, body = await answered(port, path, host=host)
    assert status == 421
    assert b"x 1" not in body


async def test_no_host_or_two_of_them_are_refused(port: int) -> None:
    assert (await raw(port, b"GET /metrics HTTP/1.0\r\n\r\n"))[0] == 421
    two = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert (await raw(port, two))[0] in {400, 421}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:3000", "file://"])
async def test_pages_of_other_sites_are_refused(origin: str, port: int) -> None:
    assert (await answered(port, "/metrics", origin=origin))[0] == 403


async def test_a_page_of_our_own_is_not(port: int) -> None:
    assert (await answered(port, origin=f"http://127.0.0.1:{port}"))[0] == 200


async def test_rubbish_is_refused_and_logged_by_nobody(port: int, caplog: pytest.LogCaptureFixture) -> None:
    long = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"
    for rubbish in (b"\x16\x03\x01\x02\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n", long):
        assert (await raw(port, rubbish))[0] == 400
    assert caplog.records == []


async def test_a_page_that_fails_is_a_500_and_said(told: Told, port: int, events: LogCapture) -> None:
    told.report = {}
    status, _, body = await answered(port)
    assert status == 500
    assert b"KeyError" not in body
    assert [(e["event"], e["path"]) for e in events.entries] == [("http.failed", "/healthz")]


async def test_many_open_connections_keep_nobody_out_for_ever(port: int) -> None:
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(128)]
    reader, refused = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    for writer in (refused, *(writer for _, writer in held)):
        writer.close()
        await writer.wait_closed()
    while True:  # the server hears of it soon
        try:
            assert (await answered(port))[0] == 200
        except (ConnectionError, IndexError):
            continue
        break


async def test_only_who_names_keep_alive_sends_another_request_over_its_connection(
    port: int,
) -> None:
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(f"{request}Connection: keep-alive\r\n\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"}\n")
    writer.write(f"{request}\r\n".encode())
    assert b"connection: close" in (await reader.read()).lower()
    writer.close()


async def test_connections_are_not_kept_when_there_are_many(port: int) -> None:
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(64)]
    _, headers, _ = await answered(port, connection="keep-alive")
    assert headers["connection"] == "close"
    for _, writer in held:
        writer.close()


async def test_a_connection_that_grows_too_old_ends_after_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections()
    monkeypatch.setattr("orderwatch.web.server.app.Connections", lambda: connections)

    async def old(request: web.Request) -> web.Response:
        connections._expire(request.protocol)
        return web.Response(text="whole")

    def add(app: web.Application) -> None:
        app.router.add_get("/old", old)

    async with serving("127.0.0.1:0", pages_with(add)) as port:
        _, _, body = await answered(port, "/old", connection="keep-alive")
        assert body == b"whole"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer canary-token"}, 200),
        ({"authorization": "basic YW55Om5vdC1pdA=="}, 401),  # any:not-it
        ({"authorization": "Basic YW55OmNhbmFyeS10b2tlbg=="}, 200),  # any:canary-token
        ({"authorization": "Basic %"}, 401),
        ({"authorization": "Digest canary-token"}, 401),
        ({"authorization": "Bearer canary-toke"}, 401),
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
async def test_with_a_token_only_who_knows_it_is_answered(
    told: Told, path: str, sent: dict[str, str], status: int
) -> None:
    async with serving("127.0.0.1:0", told.pages, token="canary-token") as port:
        found, headers, body = await answered(port, path, **sent)
        assert found == status
        if status == 401:
            assert body == b"401: the token is required, as the password of any user\n"
            assert "Basic" in headers["www-authenticate"]
            assert (await answered(port, "/nothing", **sent))[0] == 401


async def test_further_names_are_answered_to(told: Told) -> None:
    async with serving("127.0.0.1:0", told.pages, hosts=["Watch.Example"]) as port:
        assert (await answered(port, host="watch.example:443"))[0] == 200
        assert (await answered(port, host="evil.example"))[0] == 421


async def test_who_listens_everywhere_has_every_address_but_no_foreign_name(told: Told) -> None:
    async with serving("0.0.0.0:0", told.pages) as port:
        assert (await answered(port, host="10.1.2.3:8787"))[0] == 200
        assert (await answered(port, host="evil.example"))[0] == 421
