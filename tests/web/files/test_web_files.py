"""Stored files over real sockets: whole, in part, and never the wrong bytes."""

import base64
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import LogCapture
from tests.logs import events
from tests.web.api_kit import HOSTILE, asked
from tests.web.files.files_kit import serving_files, serving_one, stored

from orderwatch.core.model import DeliveryState
from orderwatch.web.files.routes import file_of

__all__ = ["events"]

CONTENT = bytes(range(256)) * 5
LARGE = bytes(range(256)) * 4096  # more than one piece
TAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'


async def test_a_stored_file_is_sent_whole_with_its_name_kind_and_checksum(
    database: Path, events: LogCapture
) -> None:
    async with serving_one(database, CONTENT, 'pröject/scene "1".zip') as (port, address, _):
        status, headers, body = await asked(port, address)
    assert (status, body) == (200, CONTENT)
    assert headers["content-type"] == "application/zip"
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["content-disposition"] == (
        "attachment; filename=\"scene _1_.zip\"; filename*=UTF-8''scene%20%221%22.zip"
    )
    assert (headers["etag"], headers["accept-ranges"]) == (TAG, "bytes")
    assert headers["cache-control"] == "private, no-cache"
    [sent] = [event for event in events.entries if event["event"] == "http.file_sent"]
    assert sent["who"] == "127.0.0.1 (HTTP)"
    assert (sent["order_id"], sent["scene_id"], sent["file"]) == ("1", "scene-1", 'pröject/scene "1".zip')
    assert (sent["start"], sent["size"], sent["reason"]) == (0, len(CONTENT), None)


async def test_head_has_the_headers_and_no_byte(database: Path, events: LogCapture) -> None:
    async with serving_one(database, LARGE) as (port, address, _):
        status, headers, body = await asked(port, address, "HEAD", Range="bytes=0-9")
    assert (status, headers["content-length"], body) == (200, str(len(LARGE)), b"")
    assert events.entries == []


@pytest.mark.parametrize(
    ("sent", "status", "span"),
    [
        ({"Range": "bytes=5-9"}, 206, (5, 10)),
        ({"Range": "bytes=-7"}, 206, (1273, 1280)),
        ({"Range": "bytes=5-", "If_Range": TAG}, 206, (5, 1280)),
        ({"Range": "bytes=5-", "If_Range": '"another"'}, 200, (0, 1280)),
        ({"Range": "bytes=5-", "If_Range": f"W/{TAG}"}, 200, (0, 1280)),
        ({"Range": "bytes=5-", "If_Range": "Tue, 01 Dec 2026 00:00:00 GMT"}, 200, (0, 1280)),
        ({"If_Match": TAG}, 200, (0, 1280)),
        ({"If_None_Match": '"another"'}, 200, (0, 1280)),
    ],
)
async def test_a_part_is_sent_only_of_the_file_that_the_client_has_begun(
    database: Path, sent: dict[str, str], status: int, span: tuple[int, int]
) -> None:
    async with serving_one(database, CONTENT) as (port, address, _):
        found, headers, body = await asked(port, address, **sent)
    assert (found, body) == (status, CONTENT[slice(*span)])
    part = f"bytes {span[0]}-{span[1] - 1}/{len(CONTENT)}" if status == 206 else None
    assert headers.get("content-range") == part


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"If_None_Match": TAG}, 304),
        ({"If_Match": '"another"'}, 412),
        ({"Range": "bytes=1280-"}, 416),
    ],
)
async def test_a_condition_that_fails_sends_nothing_of_the_file(
    database: Path, sent: dict[str, str], status: int
) -> None:
    async with serving_one(database, CONTENT) as (port, address, _):
        found, headers, body = await asked(port, address, **sent)
    assert found == status
    assert CONTENT[:50] not in body
    if status == 416:
        assert headers["content-range"] == "bytes */1280"


async def test_an_empty_file_is_sent_too(database: Path) -> None:
    async with serving_one(database, b"") as (port, address, _):
        status, headers, body = await asked(port, address)
    assert (status, headers["content-length"], body) == (200, "0", b"")


async def test_names_of_the_provider_lead_to_their_file_and_to_no_other(database: Path) -> None:
    one = stored(database.parent, "one.zip", b"one", scene_id=HOSTILE)
    other = stored(database.parent, "other.zip", b"other", scene_id="..")
    async with serving_files(database, one, other) as here:
        assert (await asked(here.port, file_of(one)))[2] == b"one"
        assert (await asked(here.port, file_of(other).replace("/../", "/%2E%2E/")))[2] == b"other"
        assert (await asked(here.port, "/files/../one.zip"))[0] == 404


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil.kml", "evil.xml", "evil.js", "evil.png"])
async def test_no_content_runs_in_the_origin_of_the_page(database: Path, name: str) -> None:
    async with serving_one(database, b"<script>alert(1)</script>", name) as (port, address, _):
        _, headers, _ = await asked(port, address)
    shown = headers["content-disposition"].startswith("inline")
    assert shown == (headers["content-type"] == "image/png")
    assert headers["content-type"] not in {"text/html", "image/svg+xml", "text/xml", "text/javascript"}
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script" not in policy


async def test_nothing_is_served_unless_the_configuration_allows_it(database: Path) -> None:
    async with serving_one(database, CONTENT, allowed=False) as (port, address, _):
        status, _, body = await asked(port, address)
    assert status == 403
    assert b"files = true" in body


async def test_a_file_needs_the_token_and_the_log_names_its_user(database: Path, events: LogCapture) -> None:
    basic = base64.b64encode(b"ada:canary-token").decode()
    async with serving_one(database, CONTENT, token="canary-token") as (port, address, _):
        assert (await asked(port, address))[0] == 401
        assert (await asked(port, address, Authorization=f"Basic {basic}"))[2] == CONTENT
        assert (await asked(port, address, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors"))[0] == 403
    assert [event["who"] for event in events.entries] == ["ada@127.0.0.1 (HTTP)"]


async def test_what_is_not_stored_is_not_found(database: Path) -> None:
    former = stored(database.parent, "a.zip", CONTENT)
    waiting = replace(
        stored(database.parent, "b.zip", CONTENT, scene_id="scene-2"), state=DeliveryState.WAITING
    )
    async with serving_files(database, former, waiting) as here:
        for address in (file_of(waiting), file_of(former).removesuffix("1") + "2", "/files/a/b/c/d/e/1"):
            assert (await asked(here.port, address))[0] == 404


async def test_a_file_that_is_gone_or_changed_is_refused_with_the_reason(
    database: Path, events: LogCapture
) -> None:
    async with serving_one(database, CONTENT) as (port, address, file):
        reasons = []
        for change in (
            lambda: file.write_bytes(CONTENT + b"x"),
            lambda: file.write_bytes(CONTENT[::-1]),
            file.unlink,
            lambda: os.mkfifo(file),
        ):
            change()
            status, headers, body = await asked(port, address)
            assert (status, headers["content-type"]) == (410, "text/plain; charset=utf-8")
            reasons.append(body.decode())
    assert reasons == [
        "410: the file has another size than when it was stored\n",
        "410: the file is not the one that was stored\n",
        "410: the file is gone\n",
        "410: it is not a regular file\n",
    ]
    assert [event["event"] for event in events.entries] == ["http.file_refused"] * 4


async def test_a_large_file_that_was_changed_is_cut_off_before_its_end(
    database: Path, events: LogCapture
) -> None:
    async with serving_one(database, LARGE) as (port, address, file):
        file.write_bytes(LARGE[:-1] + b"?")
        status, headers, body = await asked(port, address)
    assert status == 200
    assert len(body) < int(headers["content-length"])
    assert [event["reason"] for event in events.entries] == ["the file is not the one that was stored"]


async def test_no_link_leads_out_of_the_tree(
    database: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "scene.zip").write_bytes(CONTENT)
    async with serving_one(database, CONTENT, "p/scene.zip") as (port, address, file):
        file.unlink()
        file.parent.rmdir()
        file.parent.symlink_to(outside)
        status, _, body = await asked(port, address)
        assert (status, body) == (410, b"410: a link leads out of the delivery tree\n")
        file.parent.unlink()
        (file.parent.parent / "q").mkdir()
        (file.parent.parent / "q" / "scene.zip").write_bytes(CONTENT)
        file.parent.symlink_to("q")
        assert (await asked(port, address))[2] == CONTENT


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_page_of_an_order_links_its_files_only_where_they_are_served(
    database: Path, *, allowed: bool
) -> None:
    file = stored(database.parent, "p/scene.zip", CONTENT)
    async with serving_files(database, file, allowed=allowed) as here:
        _, _, page = await asked(here.port, "/orders/main/1")
    assert (f'href="{file_of(file)}"' in page.decode()) is allowed
