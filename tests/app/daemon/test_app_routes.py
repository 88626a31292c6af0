"""Everything that the daemon serves, found by walking its routes: what is added later is held to the same."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from aiohttp import web
from structlog.testing import LogCapture
from tests.config.files import GOOD, environ, written
from tests.logs import events
from tests.web.api_kit import fill

from orderwatch.app.daemon.resources import open_resources
from orderwatch.app.plan import resolve
from orderwatch.config import load
from orderwatch.ops.log import Redactor
from orderwatch.web.server.app import serving

__all__ = ["events"]

TOKEN = {"Authorization": "Bearer canary-token"}
WORDS = {"account": "main", "order_id": "1", "name": "style.css"}
NEVER = ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
SAFETY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class House(NamedTuple):
    port: int
    resources: list[web.AbstractResource]

    @property
    def paths(self) -> list[str]:
        """One of each resource; of orders, one that is there."""
        return [
            re.sub(r"\{(\w+)\}", lambda part: WORDS.get(part[1], "1"), resource.canonical)
            for resource in self.resources
        ]

    async def asked(self, method: str, path: str, **headers: str) -> Answer:
        """An answer that must be safe, whatever it is; that of a stream without its body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with closing(writer):
            lines = "".join(f"{k}: {v}\r\n" for k, v in {"Host": "localhost", **headers}.items())
            writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
            first, *said = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            found = {k.lower(): v for k, v in (line.split(": ", 1) for line in said)}
            lasts = method == "GET" and "event-stream" in found["content-type"]
            answer = Answer(int(first.split()[1]), found, b"" if lasts else await reader.read())
        _must_be_safe(f"{method} {path}", answer.headers)
        return answer


def _must_be_safe(asked: str, headers: dict[str, str]) -> None:
    assert headers.items() >= SAFETY.items(), asked
    policy = headers["content-security-policy"]
    assert not [rule for rule in POLICY if rule not in policy], asked
    assert "unsafe" not in policy, asked
    assert not {"server", "set-cookie"} & headers.keys(), asked
    assert not [name for name in headers if name.startswith("access-control")], asked


@asynccontextmanager
async def served(tmp_path: Path, database: Path) -> AsyncIterator[House]:
    """The pages of a house that has some orders, for who has the token."""
    at = environ(tmp_path, ORDERWATCH_DATABASE__URL=f"sqlite:///{database}")
    made: list[web.Application] = []
    async with open_resources(resolve(load(written(tmp_path, GOOD), at)), Redactor()) as house:
        await fill(house.store)
        pages = house.monitoring.listener._pages
        pages = replace(pages, routes=(*pages.routes, made.append))
        async with serving("127.0.0.1:0", pages, token="canary-token") as port:
            yield House(port, list(made[0].router.resources()))


async def test_every_route_is_answered_only_as_it_may_be(
    tmp_path: Path, database: Path, events: LogCapture
) -> None:
    async with served(tmp_path, database) as house:
        assert {"/", "/metrics", "/api/events", "/static/style.css"} < set(house.paths)
        for resource, path in zip(house.resources, house.paths, strict=True):
            if path.startswith("/api/actions/"):
                assert {route.method for route in resource} == {"POST"}, path
                assert (await house.asked("GET", path, **TOKEN)).status == 405, path
                assert (await house.asked("POST", path, **TOKEN)).status == 403, path
                continue
            assert {route.method for route in resource} == {"GET", "HEAD"}, path
            got, head = await house.asked("GET", path, **TOKEN), await house.asked("HEAD", path, **TOKEN)
            assert got.status == 200 or path.startswith(("/pictures/", "/files/")) or path == "/readyz", path
            assert (head.status, head.body) == (got.status, b""), path
            assert head.headers["content-type"] == got.headers["content-type"], path
            for method in NEVER:
                assert (await house.asked(method, path, **TOKEN)).status == 405, (method, path)
    assert events.entries == []


async def test_no_route_is_for_strangers(tmp_path: Path, database: Path, events: LogCapture) -> None:
    async with served(tmp_path, database) as house:
        for path in (*house.paths, "/nothing", "/api/nothing", "/static/nothing"):
            for method in ("GET", "POST"):
                for status, headers in (
                    (421, {**TOKEN, "Host": "evil.example"}),
                    (403, {**TOKEN, "Origin": "http://evil.example"}),
                    (403, {**TOKEN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
                    (401, {}),
                    (401, {"Authorization": "Bearer another"}),
                ):
                    answer = await house.asked(method, path, **headers)
                    assert answer.status == status, (method, path, headers)
                    assert len(answer.body) < 60, (method, path, headers)
    assert events.entries == []
